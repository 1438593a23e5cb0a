"""What a container needs on the host: folders, overlays, links, and its control groups."""

from __future__ import annotations

import posixpath
import resource
from collections.abc import Iterable, Sequence
from pathlib import Path

from emulator.model.errors import SandboxError
from emulator.model.launch import Access, Launch, Mount
from emulator.model.limits import FILE_DESCRIPTORS
from emulator.sandbox import rootfs
from emulator.sandbox.cgroups import Hierarchy, hierarchies
from emulator.sandbox.folders import InstanceFolders
from emulator.sandbox.groups import Group, Place
from emulator.sandbox.overlay import Overlay, stage_overlays


def shared_folder(folders: InstanceFolders) -> Path:
    """What the instance shares with us. Nobody else may enter the folder around it, so that its own can be open to
    whatever user the program runs as. Raises `OSError`."""
    shared = shared_of(folders)
    shared.mkdir()
    shared.chmod(0o777)
    return shared


def shared_of(folders: InstanceFolders) -> Path:
    return folders.sockets / "shared"


def require_sources(mounts: Sequence[Mount]) -> None:
    """Raises `SandboxError` where something is to be mounted that is not there."""
    for mount in mounts:
        for source in mount.sources:
            if not source.exists():
                raise SandboxError(f"{source} is to be seen as {mount.target}, and does not exist", f"create {source}")


def make_tmp(folders: InstanceFolders) -> None:
    """Raises `OSError`."""
    folders.tmp.mkdir()
    folders.tmp.chmod(0o1777)


def make_etc(launch: Launch, folders: InstanceFolders) -> Path:
    """Raises `OSError`."""
    etc = folders.root / "etc"
    etc.mkdir()
    rootfs.write_users(launch, etc)
    return etc


def overlays_of(launch: Launch, folders: InstanceFolders, *, read_only: bool) -> Sequence[Overlay]:
    """Written to on the disk of the state folder, through a path that a mount option can hold. Raises `OSError`."""
    mounts = [mount for mount in launch.mounts if _overlaid(mount, read_only)]
    real = folders.root / "overlay"
    if not mounts:
        return ()
    real.mkdir()
    stage = stage_of(folders)
    stage.symlink_to(real.absolute())
    return stage_overlays(mounts, stage)


def stage_of(folders: InstanceFolders) -> Path:
    """Where overlays are staged, if there are any."""
    return folders.sockets / "overlay"


def _overlaid(mount: Mount, read_only: bool) -> bool:
    """Read-only folders need an overlay only where several of them merge."""
    return mount.access is Access.OVERLAY and (not read_only or len(mount.sources) > 1)


def link_folders(launch: Launch, folders: InstanceFolders) -> dict[str, Path]:
    """The launch's symbolic links, in folders by where they are seen. Raises `OSError`."""
    found: dict[str, Path] = {}
    for link in launch.links:
        target, name = posixpath.split(link.target)
        folder = found.setdefault(target, folders.root / f"links-{len(found)}")
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        (folder / name).symlink_to(link.points_to)
    for mount in launch.mounts:
        for target, folder in found.items():
            _make_room(mount, target, folder)
    return found


def _make_room(mount: Mount, target: str, folder: Path) -> None:
    """Somewhere to mount on, where that is below the folder that is seen at `target`, which can not be written to."""
    if not mount.target.startswith(f"{target}/"):
        return
    at = folder / mount.target.removeprefix(f"{target}/")
    if mount.sources[0].is_dir():
        at.mkdir(parents=True, exist_ok=True)
    else:
        at.parent.mkdir(parents=True, exist_ok=True)
        at.touch()


def ulimits() -> dict[str, int]:
    """podman asks for more than it may have where it runs without the right to raise limits, if it is not told."""
    most_processes = int(Path("/proc/sys/kernel/pid_max").read_text())  # more it does not leave itself either
    wanted = {"nofile": (resource.RLIMIT_NOFILE, FILE_DESCRIPTORS), "nproc": (resource.RLIMIT_NPROC, most_processes)}
    hard = {name: resource.getrlimit(number)[1] for name, (number, _) in wanted.items()}
    return {name: min(hard[name], most) for name, (_, most) in wanted.items() if hard[name] != resource.RLIM_INFINITY}


def group_of(pid: int, container: str) -> Group:
    """The control groups that the engine made for this container; those that nobody may look at are left out."""
    try:
        mounts = Path("/proc/self/mounts").read_text()
        memberships = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return Group(())
    trees = hierarchies(mounts, memberships)
    return Group([*_places(trees, container)])


def _places(trees: Iterable[Hierarchy], container: str) -> Iterable[Place]:
    """Processes are read from the first one, where any will do."""
    for tree in trees:
        if container in tree.own.as_posix() and tree.own.is_dir():
            yield Place(tree.own, tree.controllers, tree.v2)
