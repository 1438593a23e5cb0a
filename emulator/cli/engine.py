"""The one place where the commands meet the emulator itself; it is loaded when a command needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from emulator.cli.endpoint import prepare_state_dir
from emulator.config.settings import Settings
from emulator.journal.journal import Journal
from emulator.model.function import Project
from emulator.sandbox.base import Finding, Walls


class RunningEmulator(Protocol):
    """What the commands use of `Emulator` (app.py); tests have one without walls.

    Leaving the context finishes what runs, with PreStop hooks; after `kill` it is left at once.
    """

    @property
    def journal(self) -> Journal: ...

    @property
    def url(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def token(self) -> str: ...

    @property
    def project(self) -> Project: ...

    @property
    def walls(self) -> Walls: ...

    @property
    def findings(self) -> Sequence[Finding]: ...

    @property
    def refused(self) -> Mapping[str, str]: ...

    async def kill(self) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_emulator(settings: Settings, project: Project, *, whole: bool) -> RunningEmulator:
    """An emulator that is not started yet; `whole` says that no function of the project was left out."""
    from emulator.app import Emulator

    prepare_state_dir(settings.state_dir)
    return Emulator(settings, project, whole=whole)
