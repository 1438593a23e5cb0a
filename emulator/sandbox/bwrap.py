"""The rung of bubblewrap: namespaces for user, processes, ipc, host name and files, and a system call filter.

Command line and traps: sandbox.md §1.1 and §1.3. As in Function Compute the function is root inside (mapped to
us outside, without any capability), every folder can be written, and the clock is UTC (runtime-contract.md §7).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from emulator.model.errors import SandboxError
from emulator.model.launch import Access, Launch, Mount, Network
from emulator.sandbox import enter, scripts
from emulator.sandbox.folders import InstanceFolders
from emulator.sandbox.overlay import Overlay, stage_overlays
from emulator.sandbox.rung import FILTER_FD, GATE_FD, INFO_FD, OPTIONS_FD, Bounds, Inside, Plan

HOST_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = (
    "alternatives", "ca-certificates", "crypto-policies", "fonts", "gai.conf", "host.conf", "ld.so.cache",
    "ld.so.conf", "ld.so.conf.d", "mime.types", "nsswitch.conf", "pki", "protocols", "resolv.conf", "services", "ssl",
)  # fmt: skip
_FOLDERS = ("/root", "/home", "/mnt", "/srv", "/opt", "/run", "/var/log", "/var/cache", "/var/lib")
_SHM_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Features:
    """What works on this machine, found by trying (see `ladder`).

    `overlay` is `native` (bubblewrap does it, from 0.11), `mount` (mount(8) in a user namespace), or empty.
    """

    disable_userns: bool = True
    own_proc: bool = True
    overlay: str = "mount"


@dataclass(frozen=True, slots=True)
class Tools:
    """Full paths of the programs that are needed."""

    sh: str
    bwrap: str
    unshare: str


@dataclass(frozen=True, slots=True)
class BwrapRung:
    """`hidden` are host folders that stay out of sight even where they lie below a mounted one.

    `resolv_conf` is what a private network needs as /etc/resolv.conf, None where the host's own one will do.
    """

    tools: Tools
    features: Features
    filter: bytes
    hidden: tuple[Path, ...] = ()
    strict: bool = False
    resolv_conf: str | None = None

    name = "bwrap"
    mounts = True
    own_networks = True

    @property
    def overlays(self) -> bool:
        return bool(self.features.overlay)

    def plan(self, launch: Launch, folders: InstanceFolders, groups: Sequence[str], bounds: Bounds) -> Plan:
        self._require_sources(launch.mounts)
        folders.tmp.mkdir()
        folders.tmp.chmod(0o1777)
        overlays = stage_overlays([m for m in launch.mounts if self._overlaid(m, launch)], folders.root / "overlay")
        options = self._options(launch, folders, overlays)
        inner = (self.tools.bwrap, "--args", str(OPTIONS_FD), "--", *launch.argv)
        return Plan(
            argv=(
                self.tools.sh,
                "-c",
                scripts.WALLED,
                "fclocal",
                str(bounds.open_files),
                str(bounds.file_kb),
                str(len(groups)),
                *groups,
                *self._overlay_argv(overlays),
                *inner,
            ),
            env=HOST_ENV,
            files={FILTER_FD: self.filter, OPTIONS_FD: _joined(options)},
            gated=True,
            overlays=overlays,
            disk=(folders.tmp, *(overlay.upper for overlay in overlays)),
        )

    def command(
        self, launch: Launch, argv: Sequence[str], inside: Inside, groups: Sequence[str], bounds: Bounds
    ) -> Plan:
        order = enter.Order(
            pid=inside.init, argv=list(argv), env=dict(launch.env), cwd=launch.cwd, uid=launch.uid, gid=launch.gid,
            groups=list(groups), private_network=launch.network is not Network.HOST,
        )  # fmt: skip
        return Plan(
            argv=(sys.executable, "-I", "-S", enter.__file__, str(OPTIONS_FD), str(FILTER_FD)),
            env=HOST_ENV,
            files={OPTIONS_FD: json.dumps(order).encode(), FILTER_FD: self.filter},
        )

    def _require_sources(self, mounts: Sequence[Mount]) -> None:
        for mount in mounts:
            for source in mount.sources:
                if not source.exists():
                    raise SandboxError(
                        f"{source} is to be seen as {mount.target}, and does not exist", f"create {source}"
                    )
            if len(mount.sources) > 1 and not self.overlays:
                raise SandboxError(f"{mount.target} can not be made of several folders: overlays do not work here")

    def _read_only(self, launch: Launch) -> bool:
        """As on request, and as in Function Compute for a user that is not root (runtime-contract.md §7, NAS)."""
        return self.strict or launch.uid != 0

    def _overlaid(self, mount: Mount, launch: Launch) -> bool:
        """Read-only folders need an overlay only where several of them merge."""
        wanted = not self._read_only(launch) or len(mount.sources) > 1
        return mount.access is Access.OVERLAY and wanted and bool(self.features.overlay)

    def _overlay_argv(self, overlays: Sequence[Overlay]) -> Iterator[str]:
        """mount(8) joins the overlays in namespaces around bubblewrap's own."""
        if not overlays or self.features.overlay != "mount":
            return
        yield from (self.tools.unshare, "--user", "--map-root-user", "--mount", "--")
        yield from (self.tools.sh, "-c", scripts.OVERLAID, "fclocal", str(overlays[0].stage), str(len(overlays)))
        for overlay in overlays:
            yield from (overlay.options, overlay.merged.name)

    def _options(self, launch: Launch, folders: InstanceFolders, overlays: Sequence[Overlay]) -> Iterator[str]:
        yield from self._namespaces(launch)
        yield from _system()
        yield from _etc(launch, folders, self.resolv_conf)
        yield from ("--proc", "/proc") if self.features.own_proc else ("--ro-bind", "/proc", "/proc")
        yield from ("--dev", "/dev")
        for device in launch.devices:
            yield from ("--dev-bind-try", device, device)
        yield from ("--size", str(_SHM_BYTES), "--tmpfs", "/dev/shm", "--remount-ro", "/dev")  # noqa: S108
        for folder in _FOLDERS:
            yield from ("--dir", folder)
        yield from ("--perms", "1777", "--dir", "/var/tmp", "--bind", str(folders.tmp), "/tmp")  # noqa: S108
        by_target = {overlay.mount.target: overlay for overlay in overlays}
        # Outer folders first, so that a mount below another one is not covered by it.
        for mount in sorted(launch.mounts, key=lambda mount: PurePosixPath(mount.target).parts):
            yield from self._mount(mount, by_target.get(mount.target), launch)
        for link in launch.links:
            yield from ("--symlink", link.points_to, link.target)
        if self._read_only(launch):
            yield from ("--remount-ro", "/")  # must be the last one that touches files
        yield from ("--chdir", launch.cwd, "--clearenv")
        for name, value in launch.env.items():
            yield from ("--setenv", name, value)

    def _namespaces(self, launch: Launch) -> Iterator[str]:
        yield from ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
        if self.features.disable_userns:
            yield "--disable-userns"
        if launch.network is not Network.HOST:
            yield "--unshare-net"
        yield from ("--cap-drop", "ALL", "--uid", str(launch.uid), "--gid", str(launch.gid))
        yield from ("--hostname", launch.hostname, "--die-with-parent", "--new-session")
        yield from ("--seccomp", str(FILTER_FD), "--info-fd", str(INFO_FD), "--block-fd", str(GATE_FD))

    def _mount(self, mount: Mount, overlay: Overlay | None, launch: Launch) -> Iterator[str]:
        read_only = self._read_only(launch)
        if overlay is None:
            yield from ("--bind" if mount.access is Access.WRITE else "--ro-bind", str(mount.sources[0]), mount.target)
        elif self.features.overlay == "mount":
            yield from ("--ro-bind" if read_only else "--bind", str(overlay.merged), mount.target)
        else:
            for source in reversed(mount.sources):  # bubblewrap's last source is the uppermost
                yield from ("--overlay-src", str(source))
            written = ("--ro-overlay",) if read_only else ("--overlay", str(overlay.upper), str(overlay.work))
            yield from (*written, mount.target)
        yield from self._covers(mount)

    def _covers(self, mount: Mount) -> Iterator[str]:
        """An empty folder over each hidden one that would be seen through this mount."""
        for source in mount.sources:
            for hidden in self.hidden:
                if hidden.is_relative_to(source) and hidden != source and hidden.is_dir():
                    yield from ("--tmpfs", f"{mount.target.rstrip('/')}/{hidden.relative_to(source)}")


def _system() -> Iterator[str]:
    """Programs and libraries of the host, whether or not its /bin is a link into /usr."""
    yield from ("--ro-bind", "/usr", "/usr")
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), name)
        else:
            yield from ("--ro-bind-try", name, name)
    yield from ("--ro-bind-try", "/nix/store", "/nix/store")


def _etc(launch: Launch, folders: InstanceFolders, resolv_conf: str | None) -> Iterator[str]:
    """A small /etc: no users of the host, no time zone (Function Compute is UTC), the instance's own name."""
    yield from ("--perms", "0755", "--dir", "/etc")
    own = folders.root / "etc"
    own.mkdir()
    if launch.network is Network.PRIVATE and resolv_conf is not None:
        (own / "resolv.conf").write_text(resolv_conf)
    for name in _ETC:
        if not (own / name).exists():
            yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    (own / "passwd").write_text(_passwd(launch.uid, launch.gid))
    (own / "group").write_text("".join(f"{name}:x:{gid}:\n" for name, gid in _names(launch.gid).items()))
    (own / "hosts").write_text(f"{_host_names()}\n127.0.0.1 {launch.hostname}\n")
    (own / "hostname").write_text(f"{launch.hostname}\n")
    for path in sorted(own.iterdir()):
        yield from ("--ro-bind", str(path), f"/etc/{path.name}")


def _passwd(uid: int, gid: int) -> str:
    groups = {0: 0, uid: gid}
    return "".join(
        f"{name}:x:{number}:{groups.get(number, number)}::{'/root' if number == 0 else '/tmp'}:/bin/sh\n"  # noqa: S108
        for name, number in _names(uid).items()
    )


def _names(extra: int) -> dict[str, int]:
    names = {"root": 0, "nobody": 65534}
    return names if extra in names.values() else {**names, "user": extra}


def _host_names() -> str:
    try:
        return Path("/etc/hosts").read_text(errors="replace")
    except OSError:
        return "127.0.0.1 localhost\n"


def _joined(options: Iterable[str]) -> bytes:
    return b"".join(option.encode("utf-8", "surrogateescape") + b"\0" for option in options)
