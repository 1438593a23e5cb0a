"""`fclocal start`: every function of the project answers, until Ctrl-C."""

from __future__ import annotations

from typing import Any

import click

from emulator.cli.arguments import functions_argument
from emulator.cli.context import workplace
from emulator.cli.endpoint import read_endpoint
from emulator.cli.engine import open_emulator
from emulator.cli.loop import run
from emulator.cli.options import project_options, settings_options
from emulator.cli.project import choose_functions
from emulator.cli.screen import title
from emulator.cli.serve import serve
from emulator.config.settings import OPTIONS, Settings
from emulator.model.errors import UserError
from emulator.model.function import Project


@click.command(
    "start",
    params=[
        functions_argument(),
        click.Option(
            ["--unless-running"],
            is_flag=True,
            help="Where an emulator of this project runs already, say so and succeed; for the tasks of editors.",
        ),
        *project_options(),
        *settings_options(*OPTIONS),
    ],
)
@click.pass_context
def command(ctx: click.Context, /, functions: tuple[str, ...], unless_running: bool, **values: Any) -> int:
    """Run the project's functions, or only those that are named, until Ctrl-C.

    Ctrl-C once lets running invocations and PreStop hooks finish, twice ends everything at once.
    While it runs, .fclocal/endpoint.json holds its URL, port and pid.
    """
    place = workplace(ctx, values)
    running = read_endpoint(place.settings.state_dir)
    if running is not None and unless_running:
        place.terminal.say(f"{title(running.url, place.terminal.paint)}  pid {running.pid}, which runs already")
        return 0
    if running is not None:
        raise UserError(
            f"an emulator of this project already runs at {running.url} (pid {running.pid})", "end it by: fclocal stop"
        )
    project = choose_functions(place.project(), functions)
    if place.settings.build:
        from emulator.cli.build import built  # another command, which few starts need

        project = built(project, place)

    def reread() -> tuple[Settings, Project]:
        again = place.again()
        return again.settings, choose_functions(again.project(), functions)

    emulator = open_emulator(place.settings, project, whole=not functions, reread=reread)
    return run(serve(emulator, place.settings, place.terminal), place.faults())
