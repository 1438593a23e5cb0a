"""The files of an instance behind namespaces, as options of bubblewrap, each with its arguments in a tuple.

`furnish.py` of the Python bootstrap does the same options in a fork, which bubblewrap can not start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from emulator.model.launch import Launch, Mount, Network
from emulator.sandbox.folders import InstanceFolders

Option = tuple[str, ...]

SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
ETC = (
    "alternatives", "ca-certificates", "crypto-policies", "fonts", "gai.conf", "host.conf", "ld.so.cache",
    "ld.so.conf", "ld.so.conf.d", "mime.types", "nsswitch.conf", "pki", "protocols", "resolv.conf", "services", "ssl",
)  # fmt: skip
_FOLDERS = ("/root", "/home", "/mnt", "/srv", "/opt", "/run", "/var/log", "/var/cache", "/var/lib")
SHM_BYTES = 64 * 1024 * 1024


def base(launch: Launch, folders: InstanceFolders, *, resolv_conf: str | None, own_proc: bool) -> Iterator[Option]:
    """Everything that does not come from `launch.mounts`; makes files in `folders`."""
    yield from _system()
    yield from _etc(launch, folders, resolv_conf)
    yield ("--proc", "/proc") if own_proc else ("--ro-bind", "/proc", "/proc")
    yield ("--dev", "/dev")
    for device in launch.devices:
        yield ("--dev-bind-try", device.source, device.target)
    yield ("--size", str(SHM_BYTES))
    yield ("--tmpfs", "/dev/shm")  # noqa: S108
    yield ("--remount-ro", "/dev")
    for folder in _FOLDERS:
        yield ("--dir", folder)
    yield ("--perms", "1777")
    yield ("--dir", "/var/tmp")  # noqa: S108
    yield ("--bind", str(folders.tmp), "/tmp")  # noqa: S108


def in_order(mounts: Sequence[Mount]) -> list[Mount]:
    """Outer folders first, so that a mount below another one is not covered by it."""
    return sorted(mounts, key=lambda mount: PurePosixPath(mount.target).parts)


def covers(mount: Mount, hidden: Sequence[Path]) -> Iterator[Option]:
    """An empty folder over each hidden one that would be seen through this mount."""
    for source in mount.sources:
        for folder in hidden:
            if folder.is_relative_to(source) and folder != source and folder.is_dir():
                yield ("--tmpfs", f"{mount.target.rstrip('/')}/{folder.relative_to(source)}")


def links(launch: Launch) -> Iterator[Option]:
    for link in launch.links:
        yield ("--symlink", link.points_to, link.target)


def _system() -> Iterator[Option]:
    """Programs and libraries of the host, whether or not its /bin is a link into /usr."""
    yield ("--ro-bind", "/usr", "/usr")
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():
            yield ("--symlink", str(path.readlink()), name)
        else:
            yield ("--ro-bind-try", name, name)
    yield ("--ro-bind-try", "/nix/store", "/nix/store")


def _etc(launch: Launch, folders: InstanceFolders, resolv_conf: str | None) -> Iterator[Option]:
    """A small /etc: no users of the host, no time zone (Function Compute is UTC), the instance's own name."""
    yield ("--perms", "0755")
    yield ("--dir", "/etc")
    own = folders.root / "etc"
    own.mkdir()
    if launch.network is Network.PRIVATE and resolv_conf is not None:
        (own / "resolv.conf").write_text(resolv_conf)
    for name in ETC:
        if not (own / name).exists():
            yield ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    write_users(launch, own)
    (own / "hosts").write_text(f"{_host_names()}\n127.0.0.1 {launch.hostname}\n")
    (own / "hostname").write_text(f"{launch.hostname}\n")
    for path in sorted(own.iterdir()):
        yield ("--ro-bind", str(path), f"/etc/{path.name}")


def write_users(launch: Launch, folder: Path) -> None:
    """passwd and group, which know root and whom the launch is to run as. Raises `OSError`."""
    groups = {0: 0, launch.uid: launch.gid}
    users = "".join(
        f"{name}:x:{number}:{groups.get(number, number)}::{'/root' if number == 0 else '/tmp'}:/bin/sh\n"  # noqa: S108
        for name, number in _names(launch.uid).items()
    )
    (folder / "passwd").write_text(users)
    (folder / "group").write_text("".join(f"{name}:x:{gid}:\n" for name, gid in _names(launch.gid).items()))


def _names(extra: int) -> dict[str, int]:
    names = {"root": 0, "nobody": 65534}
    return names if extra in names.values() else {**names, "user": extra}


def _host_names() -> str:
    try:
        return Path("/etc/hosts").read_text(errors="replace")
    except OSError:
        return "127.0.0.1 localhost\n"
