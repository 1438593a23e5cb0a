"""What is made ready around the start of an instance beside what it is made of; most emulators make nothing ready."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from emulator.journal.journal import Journal
from emulator.model.function import Function, Revision
from emulator.model.launch import Launch
from emulator.runtime.compose import Through
from emulator.sandbox.base import Walls

if TYPE_CHECKING:
    from emulator.model.conditions import Conditions


class Stage(Protocol):
    """See `staging.Staging`."""

    def through(self, instance_id: str, function: Function, *, mounts: bool) -> Through:
        """How an instance is shown its folders; `mounts` says whether its walls can mount."""
        ...

    async def prepare(self, instance_id: str, revision: Revision, launch: Launch, walls: Walls) -> None:
        """Everything that is to be before the walls are built. Raises `SandboxError` where it can not be had."""
        ...

    def release(self, instance_id: str) -> None:
        """The instance is gone, or will not be."""
        ...

    async def aclose(self) -> None: ...


class _NoStage:
    def through(self, instance_id: str, function: Function, *, mounts: bool) -> Through:
        return tuple

    async def prepare(self, instance_id: str, revision: Revision, launch: Launch, walls: Walls) -> None:
        pass

    def release(self, instance_id: str) -> None:
        pass

    async def aclose(self) -> None:
        pass


NO_STAGE: Stage = _NoStage()


def make_stage(conditions: Conditions | None, journal: Journal, state_dir: Path) -> Stage:
    """For the starts of all instances of an emulator."""
    if conditions is None:
        return NO_STAGE
    from emulator.instance.staging import Staging  # few emulators are to be like the cloud

    return Staging(conditions, journal, state_dir)
