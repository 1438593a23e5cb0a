"""The rung of Landlock, where namespaces are denied: a launcher that takes rights away from itself first.

Needs nothing but the kernel, and works in a container with Docker's default filter (sandbox.md §1.6). Programs see the
host's paths: what a launch mounts, the system's programs and /tmp are open to them, everything else is not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from emulator.model.launch import Access, Launch
from emulator.sandbox import seccomp
from emulator.sandbox.confine import confine_argv
from emulator.sandbox.folders import InstanceFolders
from emulator.sandbox.landlock import SYSTEM_READ, SYSTEM_WRITE, Policy
from emulator.sandbox.plain import direct_argv, unwalled_fork
from emulator.sandbox.rung import OPTIONS_FD, Bounds, ForkPlan, Inside, ParkPlan, Plan

# Functions spell it out, and no rule can put another folder in its place.
_TMP = "/tmp"  # noqa: S108


class LandlockRung(Struct, frozen=True):
    """`filter` is a program of `seccomp`."""

    sh: str
    filter: bytes

    name = "landlock"
    mounts = False
    overlays = False
    own_networks = False

    def plan(self, launch: Launch, folders: InstanceFolders, groups: Sequence[str], bounds: Bounds) -> Plan:
        return self.command(launch, launch.argv, Inside(folders, 0), groups, bounds)

    def park(self, launch: Launch, folders: InstanceFolders, groups: Sequence[str], bounds: Bounds) -> ParkPlan:
        return ParkPlan(self.plan(launch, folders, groups, bounds))

    def command(
        self, launch: Launch, argv: Sequence[str], inside: Inside, groups: Sequence[str], bounds: Bounds
    ) -> Plan:
        env = inside.folders.marked(launch.env)
        # An interpreter of the emulator's own may lie in a home, which the program must not see: the launcher
        # has read itself before it takes the right away.
        launcher = confine_argv(sys.executable, str(OPTIONS_FD), argv)
        return Plan(
            argv=direct_argv(self.sh, launch.cwd, groups, bounds, launcher),
            env=inside.folders.marked({}),
            files={OPTIONS_FD: self._policy(launch, env, bounds).encode()},
        )

    def template(self, launch: Launch, folders: InstanceFolders, groups: Sequence[str], bounds: Bounds) -> Plan:
        return self.plan(launch, folders, groups, bounds)

    def template_order(self, launch: Launch) -> Mapping[str, Any]:
        return {"walled": False}

    def fork(self, launch: Launch, folders: InstanceFolders, bounds: Bounds) -> ForkPlan:
        return unwalled_fork(folders, domain=True)

    def _policy(self, launch: Launch, env: Mapping[str, str], bounds: Bounds) -> Policy:
        write = [str(mount.sources[0]) for mount in launch.mounts if mount.access is not Access.READ]
        read = [str(mount.sources[0]) for mount in launch.mounts if mount.access is Access.READ]
        return Policy(
            read=(*SYSTEM_READ, *read),
            write=(*SYSTEM_WRITE, _TMP, *write, *(device.source for device in launch.devices)),
            environment=env,
            filter=seccomp.for_launch(launch, self.filter),
            open_files=bounds.open_files,
            parent=os.getpid(),
        )
