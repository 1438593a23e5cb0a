"""`fclocal scenario`: play a file of calls, idle hours and deployments, and judge what came of it."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from emulator.cli import invoke
from emulator.cli.call import Call, HttpCall, api_error
from emulator.cli.client import send
from emulator.cli.context import Workplace, workplace
from emulator.cli.engine import RunningEmulator, open_emulator
from emulator.cli.follow import Follower
from emulator.cli.loop import run
from emulator.cli.options import project_options, settings_options
from emulator.cli.render import LogRenderer
from emulator.cli.scenario_view import JsonView, TextView
from emulator.cli.serve import raise_descriptor_limit
from emulator.cli.served import Served, served
from emulator.config.settings import OPTIONS
from emulator.model import headers as h
from emulator.model.events import Event, Notice
from emulator.model.function import Project
from emulator.scenario.figures import Answer
from emulator.scenario.play import Player
from emulator.scenario.read import read_scenario
from emulator.scenario.steps import Scenario, Target

FAILED = 1
# Each cold start is to be one, nothing is to change meanwhile, and nobody is to stop there.
NOT_HERE = {*invoke.NOT_HERE, "debug", "debug_port", "debug_node_port"} - {"json", "timers"}
MOST_SHOWN = 300


@click.command(
    "scenario",
    params=[
        click.Argument(["scenario_file"], type=click.Path(path_type=Path), metavar="FILE"),
        click.Option(["--seed"], type=click.IntRange(min=0), metavar="N", help="In place of the file's own."),
        click.Option(["--log"], is_flag=True, help="Print the functions' log to stderr."),
        *project_options(),
        *settings_options(*(name for name in OPTIONS if name not in NOT_HERE)),
    ],
)
@click.pass_context
def command(ctx: click.Context, /, scenario_file: Path, seed: int | None, log: bool, **values: Any) -> int:
    """Play FILE, a scenario in YAML, in an emulator of its own.

    Calls are made in real time, idle hours pass at once by the platform's clock. Every cold start is a real one, as
    with --cold faithful. Exit code 0: all that is asserted holds. 1: it does not, and by how much is printed. 2: it
    could not be played.

    \b
    steps:
      - cold
      - calls: {n: 20, rate: 5/s}
        assert: cold_starts <= 1 and p95 < 2 s
      - idle: 6m
    assert: instances == 0
    """
    place = workplace(ctx, values)
    project = _project(place)
    functions = {str(function.name): served(function) for function in project.functions}
    scenario = read_scenario(scenario_file.expanduser(), str(scenario_file), list(functions))
    if seed is not None:
        scenario = replace(scenario, seed=seed)
    settings = dataclasses.replace(place.settings, port=0, reload=False, cold="faithful")
    emulator = open_emulator(settings, project, whole=False)
    return run(_play(emulator, scenario, functions, place, log=log), place.faults())


def _project(place: Workplace) -> Project:
    project = place.project()
    if place.settings.build:
        from emulator.cli.build import built  # another command, which few scenarios need

        project = built(project, place)
    for problem in project.problems:
        place.terminal.tell(place.terminal.paint_err("yellow", f"! {problem}"))
    return project


async def _play(
    emulator: RunningEmulator, scenario: Scenario, functions: Mapping[str, Served], place: Workplace, *, log: bool
) -> int:
    raise_descriptor_limit()  # each call takes two
    terminal, level = place.terminal, place.settings.log_level
    renderer = LogRenderer(terminal.paint_err, list(functions), level, hints=terminal.is_heard)

    def text(events: Any) -> str:
        return renderer.batch(events if log else [event for event in events if _is_worth_telling(event)])

    follower = Follower(emulator.journal.subscribe(), text, terminal.write_err)
    follower.start()
    view = (JsonView if place.settings.json else TextView)(terminal, scenario)
    try:
        async with emulator:
            try:
                caller = _HttpCaller(emulator.port, emulator.token, functions)
                result = await Player(emulator.engine, caller, view.step).play(scenario)
            except asyncio.CancelledError:
                await emulator.kill()
                raise
    finally:
        await follower.stop()
    view.end(result)
    return FAILED if result.failed else 0


def _is_worth_telling(event: Event) -> bool:
    return isinstance(event, Notice) and event.level in ("warning", "error")


class _HttpCaller:
    """Calls as clients of FC do, each by a connection of its own."""

    def __init__(self, port: int, token: str, functions: Mapping[str, Served]) -> None:
        self._port = port
        self._token = token
        self._functions = functions

    async def __call__(self, target: Target) -> Answer:
        http = HttpCall(target.path or "/", target.method, target.headers) if target.is_http else None
        wanted = Call(target.event, target.qualifier, target.is_async, http=http, token=self._token, tail=False)
        request = wanted.request(self._functions[target.function], self._port)
        began = time.perf_counter()
        try:
            async with asyncio.timeout(target.timeout), send(self._port, request) as reply:
                body = await reply.read()
        except TimeoutError:
            return Answer(target.function, 0, time.perf_counter() - began, error=f"no answer in {target.timeout:g} s")
        except OSError as error:
            return Answer(target.function, 0, time.perf_counter() - began, error=f"no answer: {error}")
        seconds, kind = time.perf_counter() - began, reply.headers.get(h.ERROR_TYPE, "")
        # In one line, also where it is a page.
        said = " ".join(f"{reply.status} {kind} {api_error(body)}".split())
        failed = said[:MOST_SHOWN] if kind or reply.status >= 400 else ""
        return Answer(target.function, reply.status, seconds, reply.headers.get(h.REQUEST_ID, ""), failed)
