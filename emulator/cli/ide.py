"""`fclocal ide`: let an editor attach to this project's functions."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import click

from emulator.cli.context import Workplace, workplace
from emulator.cli.endpoint import prepare_state_dir
from emulator.cli.options import project_options, settings_options
from emulator.cli.session import PROGRAM
from emulator.config.debug_ports import DebugPorts, debug_ports
from emulator.config.settings import Settings
from emulator.ide.editors import EDITORS
from emulator.ide.files import Change, change, write
from emulator.ide.setup import Editor, Plan, Setup, workspace_of
from emulator.model.errors import UserError
from emulator.model.function import Place, Project


@click.command(
    "ide",
    params=[
        click.Argument(["editor"], type=click.Choice(tuple(EDITORS))),
        click.Option(["--write"], is_flag=True, help="Write it; without --write it is only shown."),
        click.Option(
            ["--workspace"],
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="The folder that the editor opens. [the nearest with the editor's files or .git, else the project's]",
        ),
        click.Option(["--stop"], is_flag=True, help="VS Code: end the emulator with the debug session."),
        *(option for option in project_options() if option.name == "file"),
        *settings_options("state_dir", "debug_port", "debug_node_port", "color"),
    ],
)
@click.pass_context
def command(ctx: click.Context, /, editor: str, write: bool, workspace: Path | None, stop: bool, **values: Any) -> int:
    """Let an editor attach to this project's functions.

    Shows what belongs into the editor's own files; with --write adds it to them, and leaves everything else there as
    it is: comments, order, every byte. Run it again after a change, it only ever changes its own entries.
    """
    place = workplace(ctx, values)
    chosen = EDITORS[editor]
    root = _workspace(place, chosen, workspace)
    plan = chosen.plan(_setup(place, root, stop))
    changes = [change(root, edit) for edit in plan.edits]
    _show(place, chosen, root, changes, write)
    _tell_steps(place, editor, plan, changes, write)
    return 0


def _workspace(place: Workplace, editor: Editor, given: Path | None) -> Path:
    project = Path(os.path.realpath(place.root))
    if given is None:
        return workspace_of(project, editor.folder, Path.home())
    root = Path(os.path.realpath(given))
    if not root.is_dir() or not project.is_relative_to(root):
        raise UserError(f"{given} is no folder above the project {project}", "name one", Place("--workspace"))
    return root


def _setup(place: Workplace, workspace: Path, stop: bool) -> Setup:
    project = place.project()
    prepare_state_dir(place.settings.state_dir)
    runtimes = [function.runtime for function in project.functions]
    has_node = any(runtime.startswith(("nodejs", "custom")) for runtime in runtimes)
    return Setup(
        folder=PurePosixPath(Path(os.path.realpath(place.root)).relative_to(workspace)),
        ports=_ports(place.settings),
        command=_command(),
        has_python=not all(runtime.startswith("nodejs") for runtime in runtimes),
        has_node=has_node,
        template=_template(place, project),
        stop=stop,
    )


def _ports(settings: Settings) -> DebugPorts:
    """Where the emulator will listen."""
    kept = debug_ports(settings.state_dir)
    return DebugPorts(settings.debug_port or kept.python, settings.debug_node_port or kept.node)


def _template(place: Workplace, project: Project) -> str:
    """The project file as it was named by -t; one that fclocal finds by itself needs no name."""
    named = place.selection.file
    return project.file.name if named is not None and named.is_file() and project.file is not None else ""


def _command() -> tuple[str, ...]:
    """What starts this very fclocal: its bare name, which whoever shares the files has too, where that leads here."""
    found = shutil.which(PROGRAM)
    running = shutil.which(sys.argv[0]) or sys.argv[0]
    if found is not None and Path(running).exists() and Path(found).samefile(running):
        return (PROGRAM,)
    return (sys.executable, "-m", "emulator")


def _show(place: Workplace, editor: Editor, root: Path, changes: list[Change], wanted: bool) -> None:
    terminal = place.terminal
    terminal.tell(f"{editor.title}: workspace {root}")
    for one in changes:
        name = one.path.relative_to(root).as_posix()
        if not one.is_needed:
            terminal.say(f"{name}: nothing to change")
        elif wanted:
            write(one)
            terminal.say(f"{name}: written")
        else:
            for line in one.diff(name):
                style = {"+": "green", "-": "red", "@": "dim"}.get(line[:1])
                terminal.say(terminal.paint(style, line) if style else line)


def _tell_steps(place: Workplace, name: str, plan: Plan, changes: list[Change], wanted: bool) -> None:
    terminal = place.terminal
    if not wanted and any(one.is_needed for one in changes):
        template = ["-t", str(place.selection.file)] if place.selection.file else []
        terminal.tell(f"\nNothing was written. Write it by: {shlex.join([PROGRAM, 'ide', name, '--write', *template])}")
    terminal.tell("\nThen:")
    for number, step in enumerate(plan.steps, 1):
        terminal.tell(f"  {number}. {step}")
