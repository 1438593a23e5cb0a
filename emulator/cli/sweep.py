"""`fclocal sweep`: one function in several sizes, how fast each is, and which is the cheapest that is fast enough."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import click

from emulator.cli.arguments import function_argument
from emulator.cli.call import Call, HttpCall
from emulator.cli.context import Workplace, workplace
from emulator.cli.loop import run
from emulator.cli.options import project_options, settings_options
from emulator.cli.payload import read_event
from emulator.cli.project import choose_functions, choose_name
from emulator.cli.served import served
from emulator.cli.sweep_plan import Keep, Tried, read_keep, read_numbers, sizes, wanted
from emulator.model.errors import UserError
from emulator.model.function import HTTP_METHODS, Place, Project

SETTINGS = (
    "walls", "network", "gpu", "strict", "freeze", "start_timeout", "account_id", "runtimes_dir", "state_dir",
    "environment", "build_args", "image_registry", "prices", "json", "color",
)  # fmt: skip
NONE_KEEPS = 1


@click.command(
    "sweep",
    params=[
        function_argument(),
        click.Option(["--memory"], metavar="MB,…", help="Memory sizes. [the function's own]"),
        click.Option(["--cpu"], metavar="CORES,…", help="Cores. [the function's own, or the nearest that FC takes]"),
        click.Option(["--concurrency"], metavar="N,…", help="Requests that an instance takes at once. [its own]"),
        click.Option(
            ["--keep"],
            default="",
            metavar="LIMITS",
            help="What must hold, such as 'p95<500ms,cold<2s'. [the declared size's p95 and a tenth]",
        ),
        click.Option(
            ["-n", "calls"], type=click.IntRange(1, 100_000), default=30, help="Warm calls of each size. [30]"
        ),
        click.Option(
            ["--rounds"],
            type=click.IntRange(1, 100),
            default=3,
            help="Cold starts of each size, each with its calls. [3]",
        ),
        click.Option(["-e", "--event"], metavar="TEXT", help="The event. Without -e, -f or a pipe it is empty."),
        click.Option(["-f", "--event-file"], metavar="FILE", help="A file with the event; - is stdin."),
        click.Option(
            ["--path"], metavar="PATH", help="Call the HTTP trigger at this path, in place of InvokeFunction."
        ),
        click.Option(
            ["--method"], type=click.Choice(HTTP_METHODS, case_sensitive=False), help="Call the HTTP trigger by it."
        ),
        *project_options(),
        *settings_options(*SETTINGS),
    ],
)
@click.pass_context
def command(ctx: click.Context, /, function: str | None, **values: Any) -> int:
    """Try a function in sizes that FC takes, and find the cheapest one that keeps its latency.

    Each size has an emulator and an instance of its own, in turns; with concurrency so many clients call at once.
    Exit code 0: one was found. 1: none keeps what must hold. 2: it was not measured.

    \b
    fclocal sweep thumbnail -f event.json --memory 512,1024,2048 --cpu 0.5,1 --keep 'p95<500ms'
    """
    lists = [_numbers(values.pop(name), f"--{name}") for name in ("memory", "cpu", "concurrency")]
    keep, calls, rounds = read_keep(values.pop("keep")), values.pop("calls"), values.pop("rounds")
    path, method = values.pop("path"), values.pop("method")
    event = values.pop("event"), values.pop("event_file"), False
    place = workplace(ctx, values)
    http = HttpCall(path or "/", method or "") if path or method else None
    call = Call(event=read_event(*event, tell=place.terminal.tell), http=http)
    project = _project(place, function)
    call.request(served(project.functions[0]), 0)  # raises where it has no HTTP trigger, before anything starts
    found, refused = sizes(project.functions[0], *lists)
    if calls < max(size.concurrency for size in found) * rounds:
        raise UserError("there are less calls than clients", "call more often by -n", Place("-n"))
    return run(_sweep(place, project, call, (calls, rounds), (found, refused, keep)), place.faults())


async def _sweep(
    place: Workplace,
    project: Project,
    call: Call,
    often: tuple[int, int],
    plan: tuple[list[Tried], dict[Tried, str], list[Keep]],
) -> int:
    # The engine and the price list, of which other commands' help needs nothing.
    from emulator.cli.sweep_run import Sweep, measured
    from emulator.cli.sweep_view import Swept, show
    from emulator.journal.prices import read_prices

    found, refused, keep = plan
    function, prices = project.functions[0], read_prices(place.settings.prices)
    sweep = Sweep(place.settings, project, call, *often)
    held = await sweep.held()
    rounds = await sweep.rounds(found, place.terminal.write_err)
    day = datetime.now(UTC).date()
    results = [measured(size, its, function, prices, day) for size, its in rounds.items()]
    swept = Swept(function, results, refused, wanted(keep, results, function), held, prices.date, os.getloadavg()[0])
    show(swept, place.terminal, json=place.settings.json)
    return 0 if swept.cheapest is not None else NONE_KEEPS


def _numbers(text: str | None, flag: str) -> list[float]:
    return read_numbers(text, flag) if text else []


def _project(place: Workplace, function: str | None) -> Project:
    project = place.project()
    chosen = choose_name([str(f.name) for f in project.functions], function)
    project = choose_functions(project, (chosen,))
    for problem in project.problems:
        place.terminal.tell(place.terminal.paint_err("yellow", f"! {problem}"))
    return project
