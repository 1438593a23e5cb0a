"""`fclocal clock`: the time of the platform's own timers in the running emulator, shown and moved ahead."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import click
import msgspec

from emulator.cli.admin import ask
from emulator.cli.context import Workplace, workplace
from emulator.cli.endpoint import read_endpoint
from emulator.cli.loop import run
from emulator.cli.options import project_options, settings_options
from emulator.model.durations import read_duration, show_duration
from emulator.model.errors import UserError
from emulator.scenario.happenings import Advanced, in_words, told

ADVANCE = "advance"
# An option by its looks, of which there is none that begins so.
_BACK = re.compile(r"-\.?\d")


class _Command(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for word in args:
            if _BACK.match(word):
                raise _only_ahead(word)
        return super().parse_args(ctx, args)


def _only_ahead(duration: str) -> UserError:
    return UserError(f"the clock only moves ahead, and not by {duration}", "fclocal clock advance 6m")


@click.command(
    "clock",
    cls=_Command,
    params=[
        click.Argument(["what"], required=False, metavar="[advance"),
        click.Argument(["duration"], required=False, metavar="DURATION]"),
        *project_options(),
        *settings_options("state_dir", "json", "color"),
    ],
)
@click.pass_context
def command(ctx: click.Context, /, what: str | None, duration: str | None, **values: Any) -> int:
    """Show the clock of the platform's own timers, or move it ahead by DURATION, such as 90s, 6m or 1h30m.

    By it idle instances are reclaimed, sessions end, timer triggers invoke, scheduled actions change the minimum of
    instances, asynchronous invocations are tried again and grow too old. How long functions run, and may run, is real
    time, and they do not see it.

    What falls due while it is moved happens in the order of its times. The command returns when all of it is done: a
    reclaimed instance has run PreStop and is gone.
    """
    if what not in (None, ADVANCE):
        raise UserError(f"there is no `fclocal clock {what}`", "fclocal clock advance 6m")
    if what is not None and duration is None:
        raise UserError("by how long the clock is to be moved ahead is missing", "fclocal clock advance 6m")
    seconds = _ahead(duration) if duration is not None else 0.0
    place = workplace(ctx, values)
    _show(_asked(place, seconds), place)
    return 0


def _ahead(duration: str) -> float:
    try:
        seconds = read_duration(duration)
    except ValueError as error:
        raise UserError(str(error), "fclocal clock advance 6m") from None
    if not seconds:
        raise _only_ahead(duration)
    return seconds


def _asked(place: Workplace, seconds: float) -> Advanced:
    endpoint = read_endpoint(place.settings.state_dir)
    if endpoint is None:
        raise UserError("no emulator of this project is running", "start one by: fclocal start")
    return msgspec.convert(run(ask(endpoint, "clock", advance=seconds)), Advanced)


def _show(answer: Advanced, place: Workplace) -> None:
    say = place.terminal.say
    if place.settings.json:
        say(json.dumps(msgspec.to_builtins(answer), ensure_ascii=False))
        return
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(answer.time))
    ahead = f", {show_duration(answer.ahead)} ahead" if answer.ahead else ", as the real one"
    say(f"Platform clock: {moment}{ahead}")
    if not answer.seconds:
        return
    for it in answer.happened:
        say(f"  +{show_duration(it.after):<8} {in_words(it)}")
    ended = f"{answer.sessions_ended} session{'s' if answer.sessions_ended > 1 else ''} ended"
    parts = [told(answer.happened), ended if answer.sessions_ended else ""]
    what = ", ".join(part for part in parts if part) or "nothing was due"
    say(f"{show_duration(answer.seconds)} in {show_duration(answer.took_ms / 1000)}: {what}")
