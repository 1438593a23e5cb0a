"""`fclocal cost`: what the running emulator's functions would have cost in Function Compute."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import click

from emulator.cli.admin import ask
from emulator.cli.context import workplace
from emulator.cli.endpoint import read_endpoint
from emulator.cli.loop import run
from emulator.cli.options import project_options, settings_options
from emulator.cli.terminal import Terminal, columns
from emulator.model.errors import UserError

Answer = Mapping[str, Any]
PLACES = Decimal("0.000001")


@click.command(
    "cost",
    params=[
        click.Option(
            ["--by"],
            type=click.Choice(["function", "hour", "session", "request"]),
            default="function",
            help="What each line is about. [function]",
        ),
        click.Option(
            ["--used"],
            type=click.IntRange(min=0),
            default=0,
            metavar="CU",
            help="What your account has used this month already: it decides the price tier. [0]",
        ),
        *project_options(),
        *settings_options("state_dir", "json", "color"),
    ],
)
@click.pass_context
def command(ctx: click.Context, /, by: str, used: int, **values: Any) -> int:
    """Show what FC would have asked for all that the running emulator has done so far.

    CU and their exact price come first; `billed` has FC's rounding of each hour, and its least price for one.
    docs/cost.md says how it is counted. Another price list is named by `fclocal start --prices FILE`.
    """
    place = workplace(ctx, values)
    endpoint = read_endpoint(place.settings.state_dir)
    if endpoint is None:
        raise UserError("no emulator of this project is running", "fclocal start, call your functions, ask again")
    answer = run(ask(endpoint, "cost", before=used))
    if place.settings.json:
        place.terminal.say(json.dumps(answer, ensure_ascii=False))
        return 0
    place.terminal.say("\n".join([*LINES[by](answer), *_foot(answer, place.terminal)]))
    return 0


def _by_function(answer: Answer) -> list[str]:
    found = answer["functions"]
    rows = [_sum_row(name, it) for name, it in found.items()]
    if len(found) > 1:
        rows.append(_sum_row("together", answer["total"]))
    return _table(("function", "calls", "active s", "idle s", "CU"), answer, rows, "billed")


def _sum_row(name: str, it: Answer) -> list[str]:
    head = [name, str(it["calls"]), f"{it['activeSeconds']:.3f}", f"{it['idleSeconds']:.3f}", _units(it["cu"])]
    return [*head, *_money(it["exact"]), *it["billed"].values()]


def _by_hour(answer: Answer) -> list[str]:
    rows = [
        [name, it["at"], str(it["calls"]), it["billedCu"], *_money(it["exact"]), *_money(it["billed"])]
        for name, function in answer["functions"].items()
        for it in function["hours"]
    ]
    return _table(("function", "hour", "calls", "CU"), answer, rows, "billed")


def _by_session(answer: Answer) -> list[str]:
    rows = [
        [it["function"], name, str(it["calls"]), f"{it['activeSeconds']:.3f}", _units(it["cu"]), *_money(it["exact"])]
        for name, it in answer["sessions"].items()
    ]
    return _table(("function", "session", "calls", "active s", "CU"), answer, rows)


def _by_request(answer: Answer) -> list[str]:
    rows = [
        [
            it["function"],
            datetime.fromtimestamp(it["at"], UTC).strftime("%H:%M:%S"),
            it["requestId"],
            str(it["activeMs"]),
            _units(it["cu"]),
            *_money(it["exact"]),
        ]
        for it in answer["requests"]
    ]
    return _table(("function", "end (UTC)", "request", "active ms", "CU"), answer, rows)


LINES: Mapping[str, Callable[[Answer], list[str]]] = {
    "function": _by_function,
    "hour": _by_hour,
    "session": _by_session,
    "request": _by_request,
}


def _table(head: Sequence[str], answer: Answer, rows: Sequence[Sequence[str]], billed: str = "") -> list[str]:
    if not rows:
        return ["Nothing was used yet."]
    currencies = list(answer["total"]["exact"])
    names = [*head, *currencies, *(f"{billed} {it}" for it in currencies if billed)]
    return columns([names, *rows])


def _foot(answer: Answer, terminal: Terminal) -> list[str]:
    prices = answer["prices"]
    lines = [f"Prices of {prices['date']}, without free quota and resource plans (docs/cost.md)"]
    million = " or ".join(f"{amount} {name}" for name, amount in answer["total"]["million"].items())
    if million:
        lines.insert(0, f"A million invocations like these: {million}")
    return ["", *(terminal.paint("dim", line) for line in lines)]


def _units(text: str) -> str:
    return f"{Decimal(text):.4f}"


def _money(amounts: Mapping[str, str]) -> list[str]:
    """Six digits behind the point: a call costs little."""
    return [f"{Decimal(amount).quantize(PLACES):f}" for amount in amounts.values()]
