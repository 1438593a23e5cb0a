"""What the console and its neighbours see of a running emulator; `Emulator` (app.py) is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from emulator.config.settings import Settings
from emulator.dispatch.engine import Engine
from emulator.journal.journal import Journal
from emulator.model.function import Project
from emulator.sandbox.base import Finding
from emulator.sandbox.housing import Housing


class Host(Protocol):
    """Attributes as `Emulator` has them; all are there once it serves."""

    settings: Settings
    project: Project
    journal: Journal
    engine: Engine
    walls: Housing
    token: str

    @property
    def state_dir(self) -> Path: ...

    @property
    def url(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def findings(self) -> Sequence[Finding]: ...

    @property
    def refused(self) -> Mapping[str, str]: ...

    def on_project(self, listener: Callable[[Project], None]) -> None: ...

    @property
    def debug_port(self) -> int: ...

    @property
    def debug_node_port(self) -> int: ...
