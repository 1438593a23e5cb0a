"""`fclocal coldstart`: cold starts of one function, measured, compared and held against a budget."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click
from msgspec import Struct
from msgspec.structs import replace

from emulator.cli.arguments import function_argument
from emulator.cli.call import HttpCall, http_call
from emulator.cli.context import Workplace, workplace
from emulator.cli.loop import run
from emulator.cli.options import project_options, settings_options
from emulator.cli.payload import read_event
from emulator.cli.project import choose_functions, choose_name
from emulator.model.function import HTTP_METHODS, Project

SETTINGS = (
    "cache", "cpu", "disk", "nas", "code_download", "image_pull", "profile", "profiles", "prices",
    "walls", "network", "strict", "limits", "gpu", "start_timeout", "account_id", "runtimes_dir", "state_dir",
    "environment", "build_args", "image_registry", "build", "json", "color",
)  # fmt: skip
FILE = click.Path(path_type=Path, dir_okay=False)
LEAST_RUNS = 20
# Where the machine is restless, a comparison goes on until it can tell, at most for so many times the rounds.
MOST_TIMES = 5


class Wanted(Struct, frozen=True):
    """What is to be done. `runs` None: as many as it takes. `http`: by the HTTP trigger, with the event as body."""

    event: bytes
    http: HttpCall | None
    runs: int | None
    warm_up: bool
    seed: int
    save: str
    compare: str
    budget: str
    tries: tuple[str, ...]
    advice: bool
    html: Path | None
    chrome_trace: Path | None
    speedscope: Path | None


@click.command(
    "coldstart",
    params=[
        function_argument(),
        click.Option(
            ["-n", "--runs"],
            type=click.IntRange(1, 1000),
            metavar="N",
            help=f"How many cold starts, of each side where two are compared. [{LEAST_RUNS}; a comparison takes more "
            "where times scatter]",
        ),
        click.Option(["-e", "--event"], metavar="TEXT", help="The event. Without -e, -f or a pipe it is empty."),
        click.Option(["-f", "--event-file"], metavar="FILE", help="A file with the event; - is stdin."),
        click.Option(
            ["-s", "--event-stdin"], is_flag=True, help="Read the event from stdin, as a pipe does by itself."
        ),
        click.Option(
            ["--warm-up/--no-warm-up"],
            default=True,
            help="Make one run before that does not count: it fills what the machine keeps of files. [yes]",
        ),
        click.Option(["--save"], default="", metavar="NAME", help="Keep the study by this name."),
        click.Option(
            ["--compare"],
            default="",
            metavar="NAME|git:REV",
            help="Compare with a study that was kept, or with the code of a revision, side by side.",
        ),
        click.Option(["--seed"], type=int, default=0, metavar="N", help="For the order of the runs. [0]"),
        click.Option(
            ["--budget"],
            default="",
            metavar="BOUNDS",
            help="Bounds such as p95<1.5s,imports<600ms,memory<200MB; what is above them makes the exit code 1.",
        ),
        click.Option(["--list-profiles"], is_flag=True, help="Only list the profiles that --profile can name."),
        click.Option(
            ["--try", "tries"],
            multiple=True,
            metavar="CHANGE",
            help="Measure side by side what a change would bring: lazy:MODULE (loaded at its first use), pyc (bytecode "
            "of all sources is there), provisioned (the instance is there before the request).",
        ),
        click.Option(
            ["--advice/--no-advice"],
            default=True,
            help="Say what could be made of it; for what is imported and not used, one more run is made. [yes]",
        ),
        click.Option(["--html"], type=FILE, metavar="FILE", help="Write a page that opens offline in a browser."),
        click.Option(["--trace", "chrome_trace"], type=FILE, metavar="FILE", help="Write a trace for Perfetto."),
        click.Option(["--speedscope"], type=FILE, metavar="FILE", help="Write the imports for speedscope."),
        click.Option(
            ["--path"], metavar="PATH", help="Call the HTTP trigger at this path, in place of InvokeFunction."
        ),
        click.Option(
            ["--method"],
            type=click.Choice(HTTP_METHODS, case_sensitive=False),
            help="Call the HTTP trigger by this method. [GET, with a body POST]",
        ),
        click.Option(
            ["-H", "--header", "headers"],
            multiple=True,
            metavar="NAME: VALUE",
            help="Call the HTTP trigger with a header.",
        ),
        *project_options(),
        *settings_options(*SETTINGS),
    ],
)
@click.pass_context
def command(ctx: click.Context, /, function: str | None, **values: Any) -> int:
    """Force cold starts of one function, and show what they take and for what.

    Each has a new instance in an emulator that does nothing beside. Exit code 0: measured. 1: the function failed, FC's
    error body is printed, or a bound of the budget does not hold. 2: it could not be measured.

    \b
    fclocal coldstart hello -e '{"key": "value"}' --save base
    fclocal coldstart hello -e '{"key": "value"}' --compare base
    fclocal coldstart hello --compare git:main --budget 'p95<1.5s,imports<600ms'
    """
    if values.pop("list_profiles"):
        return _list_profiles(workplace(ctx, values))
    event = values.pop("event"), values.pop("event_file"), values.pop("event_stdin")
    http = http_call(values.pop("path"), values.pop("method"), values.pop("headers"))
    own = {name: values.pop(name) for name in Wanted.__struct_fields__ if name not in ("event", "http")}
    place = workplace(ctx, values)
    wanted = Wanted(event=read_event(*event, tell=place.terminal.tell), http=http, **own)
    return _measure(place, _project(place, function), wanted)


def _list_profiles(place: Workplace) -> int:
    """Each with what it sets, and where each number comes from."""
    from emulator.config.profiles import read_profiles  # few calls are about them

    found = read_profiles(place.settings.profiles)
    place.terminal.say(f"Profiles of {found.date}")
    for profile in found.profiles.values():
        place.terminal.say(f"\n{place.terminal.paint('bold', profile.name)}: {profile.about}")
        for name, value in profile.options.items():
            source = value.source or ("" if name == "cache" else "an estimate, UNCONFIRMED")
            place.terminal.say(f"  {f'--{name}'.replace('_', '-'):16} {value.value:14} {source}".rstrip())
    return 0


def _measure(place: Workplace, project: Project, wanted: Wanted) -> int:
    # The engine, of which other commands' help needs nothing.
    from emulator.cli.coldstart_ask import ask_of
    from emulator.cli.coldstart_git import GIT, project_of
    from emulator.cli.coldstart_run import Side
    from emulator.cli.coldstart_study import Measurement, Sides
    from emulator.cli.coldstart_tries import tried_sides

    ask = ask_of(place, project.functions[0], wanted)
    with contextlib.ExitStack() as stack:
        here, base = Side("", place.settings, project), None
        if wanted.compare.startswith(GIT):
            there, notes = stack.enter_context(project_of(place, project, wanted.compare.removeprefix(GIT)))
            base = Side(wanted.compare, place.settings, _built(place, there), notes)
            here = replace(here, label="working tree")
        sides = Sides(here, base, tuple(tried_sides(place, here, wanted.tries, stack)))
        return run(Measurement(place, sides, ask, wanted).run(), place.faults())


def _project(place: Workplace, function: str | None) -> Project:
    project = place.project()
    chosen = choose_name([str(f.name) for f in project.functions], function)
    project = choose_functions(project, (chosen,))
    project = _built(place, project)
    for problem in project.problems:
        place.terminal.tell(place.terminal.paint_err("yellow", f"! {problem}"))
    return project


def _built(place: Workplace, project: Project) -> Project:
    if not place.settings.build:
        return project
    from emulator.cli.build import built  # another command, which few calls need

    return built(project, place)
