"""`fclocal invoke`: call one function, in the running emulator or in one that starts for the call."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from emulator.cli.arguments import function_argument
from emulator.cli.call import Call, TailLog, call, http_call
from emulator.cli.context import Workplace, workplace
from emulator.cli.endpoint import Endpoint, read_endpoint
from emulator.cli.foreign import foreign_options
from emulator.cli.loop import run
from emulator.cli.options import project_options, settings_options, take_given, without_effect
from emulator.cli.payload import read_event
from emulator.cli.project import choose_functions, choose_name
from emulator.cli.served import served
from emulator.config.settings import OPTIONS
from emulator.model.errors import UserError
from emulator.model.function import HTTP_METHODS, Place

# What makes no difference to one call.
NOT_HERE = ("host", "port", "json", "reload", "reload_debounce_ms", "cold", "spares", "timers")

CALL_OPTIONS: tuple[click.Parameter, ...] = (
    click.Option(["-e", "--event"], metavar="TEXT", help="The event. Without -e, -f or a pipe it is empty."),
    click.Option(["-f", "--event-file"], metavar="FILE", help="A file with the event; - is stdin."),
    click.Option(["-s", "--event-stdin"], is_flag=True, help="Read the event from stdin, as a pipe does by itself."),
    click.Option(["--function-name"], metavar="NAME", help="The function, as `s invoke` names it."),
    click.Option(
        ["--invocation-type"],
        type=click.Choice(["Sync", "Async"], case_sensitive=False),
        default="Sync",
        help="Async returns when the call is accepted. [Sync]",
    ),
    click.Option(["-q", "--qualifier"], default="", metavar="NAME", help="A version or an alias. [LATEST]"),
    click.Option(
        ["--async-task-id", "--stateful-async-invocation-id", "task_id"],
        default="",
        metavar="ID",
        help="With Async: the id of the task.",
    ),
    click.Option(
        ["--timeout"],
        type=click.FloatRange(min=0, min_open=True),
        metavar="S",
        help="How long to wait for the answer; without it, as long as the function may run.",
    ),
    click.Option(["--path"], metavar="PATH", help="Call the HTTP trigger at this path, in place of InvokeFunction."),
    click.Option(
        ["--method"],
        type=click.Choice(HTTP_METHODS, case_sensitive=False),
        help="Call the HTTP trigger by this method. [GET, with a body POST]",
    ),
    click.Option(
        ["-H", "--header", "headers"], multiple=True, metavar="NAME: VALUE", help="Call the HTTP trigger with a header."
    ),
)


@click.command(
    "invoke",
    params=[
        function_argument(),
        *CALL_OPTIONS,
        *project_options(),
        *settings_options(*(name for name in OPTIONS if name not in NOT_HERE)),
        *foreign_options(),
    ],
)
@click.pass_context
def command(ctx: click.Context, /, function: str | None, function_name: str | None, **values: Any) -> int:
    """Call one function and print its result; its log goes to stderr.

    FUNCTION may be left out where the project has only one. The running emulator is used; without one, one starts for
    the call. Exit code 0: it succeeded. 1: the function failed, FC's error body is printed. 2: it was not called.

    \b
    fclocal invoke hello -e '{"key": "value"}' | jq
    fclocal event show oss | fclocal invoke thumbnail -f -
    fclocal invoke web --path /login --method POST -H 'Content-Type: application/json' -e '{}'
    """
    wanted = _take_call(values)
    given = take_given(values)
    place = workplace(ctx, values)
    wanted = msgspec.structs.replace(wanted, event=read_event(*_take_event(values), tell=place.terminal.tell))
    name = function or function_name
    endpoint = read_endpoint(place.settings.state_dir)
    if endpoint is not None:
        return _invoke_running(endpoint, name, wanted, place, given)
    return _invoke_alone(name, wanted, place)


def _invoke_running(endpoint: Endpoint, name: str | None, wanted: Call, place: Workplace, given: Sequence[str]) -> int:
    if told := without_effect(endpoint.url, given):
        place.terminal.tell(told)
    chosen = choose_name([f.name for f in endpoint.functions], name)
    function = next(f for f in endpoint.functions if f.name == chosen)
    wanted = msgspec.structs.replace(wanted, token=endpoint.token)
    code, _ = run(call(endpoint.port, function, wanted, TailLog(place.terminal.tell), place.terminal))
    return code


def _invoke_alone(name: str | None, wanted: Call, place: Workplace) -> int:
    # Calls to a running emulator need none of it.
    from emulator.cli.engine import open_emulator
    from emulator.cli.oneshot import invoke_alone

    project = place.project()
    chosen = choose_name([str(f.name) for f in project.functions], name)
    project = choose_functions(project, (chosen,))
    if place.settings.build:
        from emulator.cli.build import built  # another command, which few calls need

        project = built(project, place)
    for problem in project.problems:
        place.terminal.tell(place.terminal.paint_err("yellow", f"! {problem}"))
    emulator = open_emulator(
        dataclasses.replace(place.settings, port=0, reload=False, cold="faithful", timers=False), project, whole=False
    )
    function = served(project.functions[0])
    return run(invoke_alone(emulator, function, wanted, place.terminal, place.settings.log_level), place.faults())


def _take_event(values: dict[str, Any]) -> tuple[str | None, str | None, bool]:
    return values.pop("event"), values.pop("event_file"), values.pop("event_stdin")


def _take_call(values: dict[str, Any]) -> Call:
    http = http_call(values.pop("path"), values.pop("method"), values.pop("headers"))
    is_async = values.pop("invocation_type") == "Async"
    task_id = values.pop("task_id")
    if task_id and not is_async:
        raise UserError("a task id is for asynchronous calls", "add --invocation-type Async", Place("--async-task-id"))
    return Call(
        qualifier=values.pop("qualifier"),
        is_async=is_async,
        task_id=task_id,
        timeout=values.pop("timeout"),
        http=http,
    )
