"""`fclocal parity`: the same events in process walls and in containers, and every difference between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from emulator.cli.arguments import function_argument
from emulator.cli.context import Workplace, workplace
from emulator.cli.loop import run
from emulator.cli.options import project_options, settings_options
from emulator.cli.parity_events import Sample, read_samples
from emulator.cli.project import choose_functions, choose_name
from emulator.cli.served import served
from emulator.model.function import Project

SETTINGS = (
    "walls", "network", "strict", "limits", "gpu", "start_timeout", "account_id", "runtimes_dir", "state_dir",
    "environment", "build_args", "image_registry", "build", "json", "color",
)  # fmt: skip
DIFFERENT = 1


@click.command(
    "parity",
    params=[
        function_argument(),
        click.Option(
            ["--events"],
            type=click.Path(path_type=Path),
            required=True,
            metavar="DIR",
            help="A folder with the events, a file each; files that end in .http are requests to the HTTP trigger.",
        ),
        click.Option(
            ["--ignore"],
            multiple=True,
            metavar="PATTERN",
            help="Differences that are known, by their names, such as 'body $.time' or 'env *'.",
        ),
        click.Option(
            ["--inside/--no-inside"],
            default=True,
            help="Compare what an instance sees too: user, variables, folders, versions, limits. [yes]",
        ),
        *project_options(),
        *settings_options(*SETTINGS),
    ],
)
@click.pass_context
def command(ctx: click.Context, /, function: str | None, **values: Any) -> int:
    """Call one function with the same events in processes and in containers, and show every difference.

    Each kind of walls has one cold instance for all events, in the order of their names. --walls chooses the rung of
    the processes. Exit code 0: all the same, 1: there are differences, 2: it could not be found out.

    \b
    fclocal event show oss > events/oss.json
    fclocal parity thumbnail --events events
    """
    events, ignored, inside = values.pop("events"), values.pop("ignore"), values.pop("inside")
    place = workplace(ctx, values)
    samples = read_samples(events.expanduser())
    project = _project(place, function)
    for sample in samples:
        sample.call.request(
            served(project.functions[0]), 0
        )  # raises where it has no HTTP trigger, before anything starts
    return run(_compare(place, project, samples, ignored, inside=inside), place.faults())


async def _compare(
    place: Workplace, project: Project, samples: Sequence[Sample], ignored: Sequence[str], *, inside: bool
) -> int:
    # The engine, of which other commands' help needs nothing.
    from emulator.cli.parity_run import Parity
    from emulator.cli.parity_view import JsonView, TextView

    async with Parity(place.settings, project, place.terminal.write_err) as parity:
        view = (JsonView if place.settings.json else TextView)(place.terminal, parity.sides, ignored)
        async for result in parity.results(samples, inside=inside):
            view.show(result)
        view.end()
    return DIFFERENT if view.differences else 0


def _project(place: Workplace, function: str | None) -> Project:
    project = place.project()
    chosen = choose_name([str(f.name) for f in project.functions], function)
    project = choose_functions(project, (chosen,))
    if place.settings.build:
        from emulator.cli.build import built  # another command, which few calls need

        project = built(project, place)
    for problem in project.problems:
        place.terminal.tell(place.terminal.paint_err("yellow", f"! {problem}"))
    return project
