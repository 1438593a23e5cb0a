"""From a launch to what the engine is asked to make (pure, but for a look at which files of the host are there)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct

from emulator.model.launch import MACHINE, Access, Launch, Mount, Network
from emulator.model.limits import MB, PROCESSES
from emulator.sandbox import rootfs
from emulator.sandbox.container.cards import Cards
from emulator.sandbox.container.entry import HOME, SHARED, Entry
from emulator.sandbox.container.images import Image
from emulator.sandbox.disk import shares_storage
from emulator.sandbox.overlay import Overlay

Json = dict[str, Any]

# A function is root as in Function Compute, where it has a machine of its own; here it has what files need. The rest of
# what Docker leaves to root makes devices, raw packets, audit records and roots.
_DROPPED = ("AUDIT_WRITE", "MKNOD", "NET_RAW", "SETFCAP", "SYS_CHROOT")
_NETWORKS = {Network.HOST: "host", Network.PRIVATE: "bridge", Network.NONE: "none"}
# Set by the engine beside what it is told.
_BY_ENGINE = ("HOSTNAME", "HOME", "TERM", "container")
# What our shell complains about is read only where an instance did not start.
_LOG = {"Type": "json-file", "Config": {"max-size": "64k", "max-file": "1"}}


class Own(Struct, frozen=True):
    """What is ours inside, where we share a kernel with it: the first program, the folder that is shared, /tmp."""

    entry: Entry
    shared: Path
    tmp: Path


class Site(Struct, frozen=True):
    """Where one instance's things are on the host; without `own` there is nothing of ours inside. `links` are folders
    of symbolic links by where they are seen, `ulimits` those that the engine must be told, `gateway` is the host as it
    is seen from the bridge."""

    name: str
    image: Image
    etc: Path
    labels: Mapping[str, str]
    own: Own | None = None
    overlays: Sequence[Overlay] = ()
    links: Mapping[str, Path] = {}
    hidden: Sequence[Path] = ()
    read_only: bool = False
    limits: bool = True
    cards: Cards = Cards()
    # Of the engine's machine, 0 where it does not say: it refuses to give more than there are.
    cpus: int = 0
    ulimits: Mapping[str, int] = {}
    gateway: str = "host-gateway"


def config(launch: Launch, site: Site) -> Json:
    """The body of the engine's request for a container."""
    argv = launch.argv or site.image.argv
    made: Json = {
        "Image": site.image.name,
        "Entrypoint": _entrypoint(argv, launch, site.own),
        "Cmd": [],
        "Env": [f"{name}={value}" for name, value in {**site.cards.edits.env, **launch.env}.items()],
        "Hostname": launch.hostname,
        "Labels": dict(site.labels),
        "HostConfig": _host_config(launch, site),
    }
    if launch.cwd:
        made["WorkingDir"] = launch.cwd
    if who := user(launch):
        made["User"] = who
    return made


def _entrypoint(argv: Sequence[str], launch: Launch, own: Own | None) -> list[str]:
    if own is None:
        return [*argv]
    return own.entry.main(argv, file_kb=_file_kb(launch), unset=unset(launch))


def user(launch: Launch) -> str:
    """Empty for that of an image: whoever it names, else root (runtime-contract.md §7)."""
    return "" if launch.image and not launch.uid and not launch.gid else f"{launch.uid}:{launch.gid}"


def unset(launch: Launch) -> list[str]:
    return [name for name in _BY_ENGINE if name not in launch.env] if not launch.image else []


def _host_config(launch: Launch, site: Site) -> Json:
    made: Json = {
        "NetworkMode": _NETWORKS[launch.network],
        "ExtraHosts": _hosts(launch, site.gateway),
        "Mounts": [*_mounts(launch, site)],
        "PidsLimit": PROCESSES + 1,
        "Ulimits": [{"Name": name, "Soft": value, "Hard": value} for name, value in site.ulimits.items()],
        "ShmSize": rootfs.SHM_BYTES,
        "ReadonlyRootfs": site.read_only,
        "CapDrop": [*_DROPPED],
        "SecurityOpt": ["no-new-privileges"],
        "LogConfig": _LOG,
        "Devices": [*site.cards.devices],
        "DeviceRequests": [*site.cards.requests],
    }
    if launch.memory_mb is not None:
        made["Memory"] = made["MemorySwap"] = launch.memory_mb * MB
    if launch.cpu is not None:
        # The kernel refuses a quota of less than 1 ms in 100.
        made["NanoCpus"] = round(max(min(launch.cpu, site.cpus or launch.cpu), 0.01) * 1e9)
    return made


def _mounts(launch: Launch, site: Site) -> Iterator[Json]:
    """In any order: the engine sorts them by depth."""
    if site.own is not None:
        yield bind(site.own.shared, SHARED, write=True)
        yield bind(site.own.entry.folder, HOME)
        yield bind(site.own.tmp, "/tmp", write=True)  # noqa: S108 - a path inside
    if site.image.host:
        yield from _host_files(site.etc)
    overlays = volumes(site)
    for mount in launch.mounts:
        if mount.target in overlays:
            source = str(overlays[mount.target]["name"])
            yield _mounted("volume", source, mount.target, read_only=site.read_only)
        else:
            yield bind(mount.sources[0], mount.target, mount.access is Access.WRITE)
        yield from _covers(mount, site.hidden)
    for target, folder in site.links.items():
        yield bind(folder, target)
    for source, target in site.cards.edits.mounts:
        yield bind(Path(source), target)


def _host_files(etc: Path) -> Iterator[Json]:
    """As `rootfs` shows them to bubblewrap; hosts, host name and resolver are the engine's."""
    yield from system_binds()
    for name in rootfs.ETC:
        path = Path("/etc", name)
        if path.exists() and name != "resolv.conf":
            yield bind(path.resolve(), str(path))
    for name in ("passwd", "group"):
        yield bind(etc / name, f"/etc/{name}")


def system_binds() -> Iterator[Json]:
    """Programs and libraries of this machine."""
    yield bind(Path("/usr"), "/usr")
    for name in rootfs.SYSTEM:
        path = Path(name)
        if path.is_dir() and not path.is_symlink():
            yield bind(path, name)
    if Path("/nix/store").is_dir():
        yield bind(Path("/nix/store"), "/nix/store")


def bind(source: Path, target: str, write: bool = False) -> Json:
    return _mounted("bind", str(source), target, read_only=not write)


def _mounted(kind: str, source: str, target: str, *, read_only: bool) -> Json:
    return {"Type": kind, "Source": source, "Target": target, "ReadOnly": read_only}


def volume(overlay: Overlay, name: str, labels: Mapping[str, str]) -> Json:
    """The body of the request for an overlay as a volume, which the engine mounts."""
    options = {"type": "overlay", "device": "overlay", "o": overlay.absolute_options}
    return {"name": name, "driver": "local", "driver_opts": options, "labels": dict(labels)}


def volumes(site: Site) -> dict[str, Json]:
    """The overlays by where they are seen."""
    return {it.mount.target: volume(it, f"fclocal-{site.name}-{it.number}", site.labels) for it in site.overlays}


def _covers(mount: Mount, hidden: Iterable[Path]) -> Iterator[Json]:
    """An empty folder over each hidden one that would be seen through this mount."""
    for source in mount.sources:
        for folder in hidden:
            if folder.is_relative_to(source) and folder != source and folder.is_dir():
                target = PurePosixPath(mount.target, folder.relative_to(source))
                yield {"Type": "tmpfs", "Target": str(target), "TmpfsOptions": {"SizeBytes": 4096, "Mode": 0o755}}


def _hosts(launch: Launch, gateway: str) -> list[str]:
    bridged = launch.network is Network.PRIVATE
    own = [] if bridged else [f"{launch.hostname}:127.0.0.1"]
    return [*own, f"{MACHINE}:{gateway if bridged else '127.0.0.1'}"]


def _file_kb(launch: Launch) -> int:
    """One file can not outgrow the disk; mounted storage has no such limit, and the kernel knows no difference."""
    return 0 if shares_storage(launch) or launch.disk_mb is None else launch.disk_mb * 1024
