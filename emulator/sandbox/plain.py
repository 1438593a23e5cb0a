"""The rungs without namespaces: a session of its own, and with Landlock a launcher that confines itself first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emulator.model.launch import Launch
from emulator.sandbox import scripts
from emulator.sandbox.folders import InstanceFolders
from emulator.sandbox.rung import Bounds, Inside, Plan


@dataclass(frozen=True, slots=True)
class PlainRung:
    """No walls. An entry in the environment is how processes are found that left their session."""

    sh: str

    name = "plain"
    mounts = False
    private_network = False

    def plan(self, launch: Launch, folders: InstanceFolders, groups: Sequence[str], bounds: Bounds) -> Plan:
        return self.command(launch, launch.argv, Inside(folders, 0), groups, bounds)

    def command(
        self,
        launch: Launch,
        argv: Sequence[str],
        inside: Inside,
        groups: Sequence[str],
        bounds: Bounds,
    ) -> Plan:
        name, _, value = inside.folders.mark.partition("=")
        return Plan(
            argv=(
                self.sh,
                "-c",
                scripts.DIRECT,
                "fclocal",
                str(bounds.open_files),
                str(bounds.file_kb),
                launch.cwd,
                str(len(groups)),
                *groups,
                *argv,
            ),
            env={**launch.env, name: value},
        )
