"""The rung without walls: a session of its own, limits where a control group gives them, and the reaper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from emulator.model.launch import Launch
from emulator.sandbox import scripts
from emulator.sandbox.folders import InstanceFolders
from emulator.sandbox.rung import Bounds, ForkPlan, Inside, ParkPlan, Plan


class PlainRung(Struct, frozen=True):
    """No walls. An entry in the environment is how processes are found that left their session."""

    sh: str

    name = "plain"
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
        return Plan(direct_argv(self.sh, launch.cwd, groups, bounds, argv), inside.folders.marked(launch.env))

    def template(self, launch: Launch, folders: InstanceFolders, groups: Sequence[str], bounds: Bounds) -> Plan:
        return self.plan(launch, folders, groups, bounds)

    def template_order(self, launch: Launch) -> Mapping[str, Any]:
        return {"walled": False}

    def fork(self, launch: Launch, folders: InstanceFolders, bounds: Bounds) -> ForkPlan:
        return unwalled_fork(folders, domain=False)


def unwalled_fork(folders: InstanceFolders, *, domain: bool) -> ForkPlan:
    """A fork whose template's walls hold it too; with `domain` it takes one more of Landlock."""
    return ForkPlan({"domain": domain}, {"filter": ""}, marks=folders.marked({}))


def direct_argv(sh: str, cwd: str, groups: Sequence[str], bounds: Bounds, program: Iterable[str]) -> tuple[str, ...]:
    """See `scripts.DIRECT`."""
    limits = (str(bounds.open_files), str(bounds.file_kb))
    return (sh, "-c", scripts.DIRECT, "fclocal", *limits, cwd, str(len(groups)), *groups, *program)
