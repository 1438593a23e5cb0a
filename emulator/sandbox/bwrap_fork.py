"""Namespaces around a fork: what bubblewrap does for a program that it starts, a fork of a template does for itself.

The template runs behind walls of its own, made by bubblewrap, in which everything that its forks need can be seen:
it has lost all rights before it loads anything of the user's, and its mounts are locked for what is below. A fork gets
namespaces in a user namespace below that, makes the same files by the same options (`furnish.py` of the bootstrap),
and then loses its rights as an instance that bubblewrap started has lost them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from emulator.model.errors import SandboxError
from emulator.model.launch import Access, Launch, Mount, Network
from emulator.sandbox import rootfs, seccomp
from emulator.sandbox.folders import InstanceFolders
from emulator.sandbox.overlay import Overlay, stage_overlays
from emulator.sandbox.rung import Bounds, ForkPlan, Plan

if TYPE_CHECKING:
    from emulator.sandbox.bwrap import BwrapRung

# As a template sees them: where the files of a fork are put together, the folders of all its forks, and the sources of
# overlays that merge several.
_ROOT, _SPACES, _LOWER = "/run/fclocal/root", "/run/fclocal/spaces", "/run/fclocal/lower"
# To mount /proc where nothing covers it, to give up rights, and to make user namespaces that have a root.
_RIGHTS = ("CAP_SYS_ADMIN", "CAP_SETPCAP", "CAP_SETFCAP")


def template_plan(
    rung: BwrapRung, launch: Launch, folders: InstanceFolders, groups: Sequence[str], bounds: Bounds
) -> Plan:
    _require_nothing_hidden(rung, launch)
    root = folders.root / "root"
    for folder in (folders.spaces, root):
        folder.mkdir(mode=0o700)
    mounts = (
        *(_shown(mount) for mount in launch.mounts),
        *(Mount((source,), place) for place, source in _lower(launch.mounts)),
        Mount((folders.spaces,), _SPACES, Access.WRITE),
        Mount((root,), _ROOT),
    )
    # Bubblewrap leaves no rights over its mounts to another user than root, which its forks become then.
    walls = replace(
        rung,
        strict=rung.read_only(launch),
        features=replace(rung.features, disable_userns=False),
        filter=seccomp.program(template=True),
        rights=_RIGHTS,
    )
    return walls.plan(replace(launch, mounts=mounts, uid=0, gid=0), folders, groups, bounds)


def _require_nothing_hidden(rung: BwrapRung, launch: Launch) -> None:
    """What covers a hidden folder is locked for whoever is below, and the kernel makes no overlay of a folder with a
    locked mount in it: nobody may see through it what was covered."""
    for mount in launch.mounts:
        if mount.access is Access.OVERLAY and [*rootfs.covers(mount, rung.hidden)]:
            raise SandboxError(
                f"{mount.target} holds the emulator's own folder, out of which a fork could not be kept",
                "set code to a folder of its own, or choose another --state-dir",
            )


def template_order(rung: BwrapRung, launch: Launch) -> Mapping[str, Any]:
    return {
        "walled": True,
        "sh": rung.tools.sh,
        "sleep": rung.tools.sleep,
        "network": launch.network is not Network.HOST,
        "user": [launch.uid, launch.gid],
    }


def fork_plan(rung: BwrapRung, launch: Launch, folders: InstanceFolders, bounds: Bounds) -> ForkPlan:
    rung.require_sources(launch.mounts)
    folders.tmp.mkdir()
    folders.tmp.chmod(0o1777)
    overlays = stage_overlays([m for m in launch.mounts if rung.overlaid(m, launch)], folders.root / "overlay")
    inside = f"{_SPACES}/{folders.root.name}"
    base = [_seen(option, str(folders.root), inside) for option in rung.base(launch, folders)]
    finish = {
        "root": _ROOT,
        "options": [*_late(rung, launch, {overlay.mount.target: overlay for overlay in overlays}, inside)],
        "pivot_root": seccomp.pivot_root(),
        "hostname": launch.hostname,
        "filter": rung.filter.hex(),
    }
    disk = (folders.tmp, *(overlay.upper for overlay in overlays))
    network = launch.network is not Network.HOST
    return ForkPlan({"root": _ROOT, "options": base, "network": network}, finish, overlays=overlays, disk=disk)


def _shown(mount: Mount) -> Mount:
    """What a template sees of it: what its forks may write, it may only read, but for what all of them share."""
    if mount.access is Access.OVERLAY and len(mount.sources) == 1:
        return Mount(mount.sources, mount.target, Access.READ)
    return mount


def _lower(mounts: Sequence[Mount]) -> Iterator[tuple[str, Path]]:
    """Each source of a mount that has several, and where a template sees it."""
    for number, mount in enumerate(mounts):
        if len(mount.sources) > 1:
            yield from ((f"{_LOWER}/{number}.{index}", source) for index, source in enumerate(mount.sources))


def _late(rung: BwrapRung, launch: Launch, overlays: Mapping[str, Overlay], inside: str) -> Iterator[rootfs.Option]:
    """What comes from `launch.mounts`, last of all: an overlay must be younger than what is saved below it."""
    lower = {source: place for place, source in _lower(launch.mounts)}
    for mount in rootfs.in_order(launch.mounts):
        overlay = overlays.get(mount.target)
        if overlay is None:
            yield ("--bind" if mount.access is Access.WRITE else "--ro-bind", mount.target, mount.target)
        else:
            sources = [lower[source] for source in mount.sources] if len(mount.sources) > 1 else [mount.target]
            own = f"{inside}/{overlay.stage.name}"
            yield ("overlay", mount.target, f"{own}/{overlay.upper.name}", f"{own}/{overlay.work.name}", *sources)
            if rung.read_only(launch):
                yield ("--remount-ro", mount.target)
        yield from rootfs.covers(mount, rung.hidden)
    yield from rootfs.links(launch)
    if rung.read_only(launch):
        yield ("--remount-ro", "/")


def _seen(option: rootfs.Option, outside: str, inside: str) -> rootfs.Option:
    """The option with the fork's own folder where the template sees it."""
    return tuple(_replaced(option, outside, inside))


def _replaced(words: Iterable[str], outside: str, inside: str) -> Iterator[str]:
    for word in words:
        yield inside + word.removeprefix(outside) if word.startswith(f"{outside}/") else word
