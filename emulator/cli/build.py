"""`fclocal build`: run the pre-deploy steps of the project file."""

from __future__ import annotations

from typing import Any

import click

from emulator.cli.arguments import functions_argument
from emulator.cli.context import Workplace, workplace
from emulator.cli.loop import run
from emulator.cli.options import project_options, settings_options
from emulator.cli.project import choose_functions
from emulator.model.function import Project
from emulator.runtime.build import run_build_steps
from emulator.runtime.interpreters import Interpreters


@click.command(
    "build",
    params=[functions_argument(), *project_options(), *settings_options("runtimes_dir", "state_dir", "color")],
)
@click.pass_context
def command(ctx: click.Context, /, functions: tuple[str, ...], **values: Any) -> int:
    """Run `actions: pre-deploy` of the project's functions, or of those that are named.

    The steps run in their own folders with the function's interpreter first on PATH. `start` and `invoke` do this
    with --build.
    """
    place = workplace(ctx, values)
    project = choose_functions(place.project(), functions)
    if not any(function.build for function in project.functions):
        place.terminal.tell("Nothing to build: no function has `actions: pre-deploy` steps.")
        return 0
    build_functions(project, place)
    return 0


def build_functions(project: Project, place: Workplace) -> None:
    """Run the steps of all functions, one after the other. Raises `UserError` where one fails."""
    run(_build(project, place))


async def _build(project: Project, place: Workplace) -> None:
    catalog = place.catalog()
    interpreters = Interpreters(place.env)
    for function in project.functions:
        if function.build:
            place.terminal.tell(place.terminal.paint_err("bold", f"Building {function.name}"))
            await run_build_steps(function, catalog.find(function.runtime), interpreters, place.terminal.tell_bytes)
