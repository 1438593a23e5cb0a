"""The rung of bubblewrap: namespaces for user, processes, ipc, host name and files, and a system call filter.

Command line and traps: sandbox.md §1.1 and §1.3. As in Function Compute the function is root inside (mapped to
us outside, without any capability), every folder can be written, and the clock is UTC (runtime-contract.md §7).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from emulator.model.errors import SandboxError
from emulator.model.launch import Access, Launch, Mount, Network
from emulator.sandbox import enter, rootfs, scripts, seccomp
from emulator.sandbox.folders import InstanceFolders
from emulator.sandbox.overlay import Overlay, stage_overlays
from emulator.sandbox.rootfs import Option
from emulator.sandbox.rung import FILTER_FD, GATE_FD, INFO_FD, OPTIONS_FD, Bounds, ForkPlan, Inside, ParkPlan, Plan

HOST_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}


class Features(Struct, frozen=True):
    """What works on this machine, found by trying (see `ladder`).

    `overlay` is `native` (bubblewrap does it, from 0.11), `mount` (mount(8) in a user namespace), or empty.
    """

    disable_userns: bool = True
    own_proc: bool = True
    overlay: str = "mount"


class Tools(Struct, frozen=True):
    """Full paths of the programs that are needed."""

    sh: str
    bwrap: str
    unshare: str
    sleep: str = "/bin/sleep"


class BwrapRung(Struct, frozen=True):
    """`hidden` are host folders that stay out of sight even where they lie below a mounted one.

    `resolv_conf` is what a private network needs as /etc/resolv.conf, None where the host's own one will do. `rights`
    are capabilities that are left to the program, for templates; `empty` are folders that are made for what is mounted
    later, and with them the root stays writable until then.
    """

    tools: Tools
    features: Features
    filter: bytes
    hidden: tuple[Path, ...] = ()
    strict: bool = False
    resolv_conf: str | None = None
    rights: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()

    name = "bwrap"
    mounts = True
    own_networks = True

    @property
    def overlays(self) -> bool:
        return bool(self.features.overlay)

    def plan(self, launch: Launch, folders: InstanceFolders, groups: Sequence[str], bounds: Bounds) -> Plan:
        self.require_sources(launch.mounts)
        folders.tmp.mkdir()
        folders.tmp.chmod(0o1777)
        overlays = stage_overlays([m for m in launch.mounts if self.overlaid(m, launch)], folders.root / "overlay")
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
            env=folders.marked(HOST_ENV),
            files={FILTER_FD: seccomp.for_launch(launch, self.filter), OPTIONS_FD: _joined(options)},
            gated=True,
            overlays=overlays,
            disk=(folders.tmp, *(overlay.upper for overlay in overlays)),
        )

    def park(self, launch: Launch, folders: InstanceFolders, groups: Sequence[str], bounds: Bounds) -> ParkPlan:
        # Most of a start needs none of it.
        from emulator.sandbox import bwrap_park

        return bwrap_park.park_plan(self, launch, folders, groups, bounds)

    def command(
        self, launch: Launch, argv: Sequence[str], inside: Inside, groups: Sequence[str], bounds: Bounds
    ) -> Plan:
        order = enter.Order(
            pid=inside.init, argv=list(argv), env=dict(launch.env), cwd=launch.cwd, uid=launch.uid, gid=launch.gid,
            groups=list(groups), private_network=launch.network is not Network.HOST,
        )  # fmt: skip
        return Plan(
            argv=(sys.executable, "-I", "-S", enter.__file__, str(OPTIONS_FD), str(FILTER_FD)),
            env=inside.folders.marked(HOST_ENV),
            files={OPTIONS_FD: json.dumps(order).encode(), FILTER_FD: self.filter},
        )

    def template(self, launch: Launch, folders: InstanceFolders, groups: Sequence[str], bounds: Bounds) -> Plan:
        if not self.features.own_proc:
            raise SandboxError("an instance can not be forked where it can not have a view of its processes alone")
        # Most of a start needs none of it.
        from emulator.sandbox import bwrap_fork

        return bwrap_fork.template_plan(self, launch, folders, groups, bounds)

    def template_order(self, launch: Launch) -> Mapping[str, Any]:
        from emulator.sandbox import bwrap_fork

        return bwrap_fork.template_order(self, launch)

    def fork(self, launch: Launch, folders: InstanceFolders, bounds: Bounds) -> ForkPlan:
        from emulator.sandbox import bwrap_fork

        return bwrap_fork.fork_plan(self, launch, folders, bounds)

    def require_sources(self, mounts: Sequence[Mount]) -> None:
        for mount in mounts:
            for source in mount.sources:
                if not source.exists():
                    raise SandboxError(
                        f"{source} is to be seen as {mount.target}, and does not exist", f"create {source}"
                    )
            if len(mount.sources) > 1 and not self.overlays:
                raise SandboxError(f"{mount.target} can not be made of several folders: overlays do not work here")

    def read_only(self, launch: Launch) -> bool:
        """As on request, and as in Function Compute for a user that is not root (runtime-contract.md §7, NAS)."""
        return self.strict or launch.uid != 0

    def overlaid(self, mount: Mount, launch: Launch) -> bool:
        """Read-only folders need an overlay only where several of them merge."""
        wanted = not self.read_only(launch) or len(mount.sources) > 1
        return mount.access is Access.OVERLAY and wanted and bool(self.features.overlay)

    def _overlay_argv(self, overlays: Sequence[Overlay]) -> Iterator[str]:
        """mount(8) joins the overlays in namespaces around bubblewrap's own."""
        if not overlays or self.features.overlay != "mount":
            return
        yield from (self.tools.unshare, "--user", "--map-root-user", "--mount", "--")
        yield from (self.tools.sh, "-c", scripts.OVERLAID, "fclocal", str(overlays[0].stage), str(len(overlays)))
        for overlay in overlays:
            yield from (overlay.options, overlay.merged.name)

    def _options(self, launch: Launch, folders: InstanceFolders, overlays: Sequence[Overlay]) -> Iterator[Option]:
        yield from self._namespaces(launch)
        yield from self.base(launch, folders)
        by_target = {overlay.mount.target: overlay for overlay in overlays}
        for mount in rootfs.in_order(launch.mounts):
            yield from self._mount(mount, by_target.get(mount.target), launch)
        yield from rootfs.links(launch)
        for folder in self.empty:
            yield ("--dir", folder)
        if self.read_only(launch) and not self.empty:
            yield ("--remount-ro", "/")  # must be the last one that touches files
        yield ("--chdir", launch.cwd)
        yield ("--clearenv",)
        for name, value in launch.env.items():
            yield ("--setenv", name, value)

    def base(self, launch: Launch, folders: InstanceFolders) -> Iterator[Option]:
        return rootfs.base(launch, folders, resolv_conf=self.resolv_conf, own_proc=self.features.own_proc)

    def _namespaces(self, launch: Launch) -> Iterator[Option]:
        yield ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
        if self.features.disable_userns:
            yield ("--disable-userns",)
        if launch.network is not Network.HOST:
            yield ("--unshare-net",)
        yield ("--cap-drop", "ALL", "--uid", str(launch.uid), "--gid", str(launch.gid))
        for right in self.rights:
            yield ("--cap-add", right)
        yield ("--hostname", launch.hostname, "--die-with-parent", "--new-session")
        yield ("--seccomp", str(FILTER_FD), "--info-fd", str(INFO_FD), "--block-fd", str(GATE_FD))

    def _mount(self, mount: Mount, overlay: Overlay | None, launch: Launch) -> Iterator[Option]:
        read_only = self.read_only(launch)
        if overlay is None:
            yield ("--bind" if mount.access is Access.WRITE else "--ro-bind", str(mount.sources[0]), mount.target)
        elif self.features.overlay == "mount":
            yield ("--ro-bind" if read_only else "--bind", str(overlay.merged), mount.target)
        else:
            for source in reversed(mount.sources):  # bubblewrap's last source is the uppermost
                yield ("--overlay-src", str(source))
            written = ("--ro-overlay",) if read_only else ("--overlay", str(overlay.upper), str(overlay.work))
            yield (*written, mount.target)
        yield from rootfs.covers(mount, self.hidden)


def _joined(options: Iterable[Option]) -> bytes:
    words = (word for option in options for word in option)
    return b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in words)
