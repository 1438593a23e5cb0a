"""The one place where the commands meet the emulator itself; it is loaded when a command needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from emulator.cli.endpoint import prepare_state_dir
from emulator.config.settings import Settings
from emulator.dispatch.deployments import Deployments
from emulator.dispatch.engine import Engine
from emulator.journal.journal import Journal
from emulator.model.function import Project
from emulator.sandbox.base import Finding
from emulator.sandbox.housing import Housing


class RunningEmulator(Protocol):
    """What the commands use of `Emulator` (app.py); tests have one without walls.

    Leaving the context finishes what runs, with PreStop hooks; after `kill` it is left at once.
    """

    @property
    def journal(self) -> Journal: ...

    @property
    def engine(self) -> Engine: ...

    @property
    def url(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def token(self) -> str: ...

    @property
    def project(self) -> Project: ...

    @property
    def walls(self) -> Housing: ...

    @property
    def findings(self) -> Sequence[Finding]: ...

    @property
    def deployments(self) -> Deployments: ...

    @property
    def refused(self) -> Mapping[str, str]: ...

    def on_project(self, listener: Callable[[Project], None]) -> None: ...

    @property
    def debug_port(self) -> int: ...

    @property
    def debug_node_port(self) -> int: ...

    async def open_debug_port(self) -> None: ...

    async def kill(self) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_emulator(
    settings: Settings, project: Project, *, whole: bool, reread: Callable[[], tuple[Settings, Project]] | None = None
) -> RunningEmulator:
    """An emulator that is not started yet; `whole` says that no function of the project was left out, `reread` reads
    settings and project again."""
    from emulator.app import Emulator

    prepare_state_dir(settings.state_dir)
    return Emulator(settings, project, whole=whole, reread=reread)
