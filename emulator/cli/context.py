"""What a command works with: where it runs, its terminal, and the settings and project that are meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from msgspec import Struct
from msgspec.structs import replace

from emulator.cli.options import Selection, take_flags, take_selection
from emulator.cli.project import open_project, project_root
from emulator.cli.session import Session
from emulator.cli.terminal import Terminal
from emulator.config.settings import Settings, check_functions, load_settings
from emulator.config.settings_file import SETTINGS_FILE
from emulator.model.function import Project
from emulator.runtime.spec import Catalog


class Workplace(Struct, frozen=True):
    """The settings and the project of one command, and the terminal it speaks through."""

    terminal: Terminal
    settings: Settings
    env: Mapping[str, str]
    root: Path
    selection: Selection
    flags: Mapping[str, object]

    def again(self) -> Workplace:
        """The same place with settings as the files have them now."""
        return replace(self, settings=load_settings(self.root, self.flags, self.env))

    def catalog(self) -> Catalog:
        """Every runtime there is, with those of `runtimes_dir`."""
        return Catalog.of(self.settings.runtimes_dir)

    def project(self) -> Project:
        """Read the project; raises `ConfigError` where there is none, or where it can not be used."""
        extra = self.catalog().specs if self.settings.runtimes_dir else ()
        settings = self.settings
        project = open_project(self.selection, self.env, settings.state_dir, tuple(extra), settings.account())
        check_functions(settings, project)
        return replace(project, sources=(*project.sources, self.root / SETTINGS_FILE))

    def faults(self) -> Callable[[BaseException], None]:
        """Keeps faults of ours that nobody caught in files, and says so."""
        from emulator.journal.crashes import CrashFiles

        crashes = CrashFiles(self.settings.state_dir)
        return lambda fault: self.terminal.tell(crashes.line(fault, "in the background"))


def workplace(ctx: click.Context, values: dict[str, Any]) -> Workplace:
    """Find settings by the options in `values`, and follow the colour that they choose."""
    session = ctx.find_object(Session)
    assert session is not None  # noqa: S101 - main() always gives one
    flags = take_flags(values)
    selection = take_selection(values)
    root = project_root(selection)
    settings = load_settings(root, flags, session.env)
    session.terminal.use_color(settings.color)
    session.state_dir = settings.state_dir
    return Workplace(session.terminal, settings, session.env, root, selection, flags)
