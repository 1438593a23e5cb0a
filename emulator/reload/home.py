"""What the reloader asks of the emulator that it works for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from emulator.config.settings import Settings
from emulator.dispatch.deployments import Deployments
from emulator.model.function import Function, Project
from emulator.runtime.interpreters import Interpreter


class Read(Struct, frozen=True):
    """The project and the settings as they are on the disk now. The settings are in the project's functions."""

    settings: Settings
    project: Project


class Home(Protocol):
    """Whom the reloader tells: the emulator that it works for."""

    settings: Settings
    project: Project

    @property
    def writes_code(self) -> bool:
        """Whether what functions write to /code lands in their code folder."""
        ...

    def read(self) -> Read:
        """Read the project's files again, on a thread. Raises `UserError`."""
        ...

    def know(self, read: Read) -> None:
        """The project is this one from now on."""
        ...

    @property
    def deployments(self) -> Deployments: ...

    async def build(self, function: Function, command: str, sink: Callable[[bytes], None]) -> None:
        """Run a command as `fclocal build` does. Raises `UserError`."""
        ...

    def interpreter_of(self, function: Function, command: str) -> Interpreter | None:
        """The `python` or the `node` that runs it, or None where that can not be told."""
        ...
