"""`fclocal event`: sample events of every kind of trigger, to invoke with."""

from __future__ import annotations

import json
from typing import Any

import click
from click.shell_completion import CompletionItem

from emulator.cli.arguments import FunctionType
from emulator.cli.context import workplace
from emulator.cli.options import project_options, settings_options
from emulator.cli.project import choose_function
from emulator.cli.terminal import columns
from emulator.config.settings import did_you_mean
from emulator.model.errors import UserError
from emulator.model.function import Function, TriggerType
from emulator.triggers.cbor import encode
from emulator.triggers.samples import SAMPLES, Sample, payload, sample_for


class KindType(click.ParamType[str]):
    """A kind of sample event."""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in SAMPLES:
            step = did_you_mean(value, SAMPLES) or "fclocal event list shows all"
            raise UserError(f"there is no sample event {value!r}", step)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(s.kind, help=s.title) for s in SAMPLES.values() if s.kind.startswith(incomplete)]


@click.group("event", no_args_is_help=True)
def command() -> None:
    """Sample events of every kind of trigger, to invoke with."""


@command.command("list", params=settings_options("color"))
@click.pass_context
def list_(ctx: click.Context, /, **values: Any) -> int:
    """List the kinds of sample event."""
    terminal = workplace(ctx, values).terminal
    for line in columns([(sample.kind, sample.title) for sample in SAMPLES.values()]):
        terminal.say(line)
    return 0


@command.command(
    "show",
    params=[
        click.Argument(["kind"], required=False, type=KindType()),
        click.Option(
            ["--function"],
            type=FunctionType(),
            metavar="NAME",
            help="Fill in the names of this function's trigger; without KIND, the event of its first trigger.",
        ),
        click.Option(
            ["--format", "form"],
            type=click.Choice(["json", "cbor"]),
            help="Of a Tablestore event: CBOR is what FC sends, and the default into a pipe.",
        ),
        *project_options(),
        *settings_options("color"),
    ],
)
@click.pass_context
def show(ctx: click.Context, /, kind: str | None, function: str | None, form: str | None, **values: Any) -> int:
    """Print a sample event, as FC would give it to a function.

    \b
    fclocal event show oss --function thumbnail | fclocal invoke thumbnail -f -
    """
    place = workplace(ctx, values)
    declared = None
    if function is not None:
        project = place.project()
        declared = project.function(str(choose_function(project, function)))
    sample = SAMPLES[kind] if kind is not None else _first(declared)
    data = payload(sample, declared)
    is_cbor = sample.trigger is TriggerType.TABLESTORE
    if form == "cbor" and not is_cbor:
        raise UserError(f"{sample.kind} events are not CBOR", "leave --format out")
    if is_cbor and form != "json" and (form == "cbor" or not place.terminal.is_interactive):
        place.terminal.write_bytes(encode(data))
        return 0
    if is_cbor:
        place.terminal.tell("FC sends this event as CBOR, and so does a pipe: fclocal event show tablestore | …")
    place.terminal.say(data if isinstance(data, str) else json.dumps(data, indent=2, ensure_ascii=False))
    return 0


def _first(function: Function | None) -> Sample:
    if function is None:
        raise UserError("name a kind of event", "fclocal event list shows all")
    found = next((sample for trigger in function.triggers if (sample := sample_for(trigger))), None)
    if found is None:
        raise UserError(f"function {function.name} has no trigger that gives an event", "name a kind of event")
    return found
