"""What a sweep found, as a table or as JSON; and what it could not find out on this machine."""

from __future__ import annotations

import json as json_lines
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec import Struct

from emulator.cli.sweep_plan import PERCENTILES, Keep, Measured, Tried, cheapest
from emulator.cli.terminal import Terminal, columns
from emulator.config.bounds import number
from emulator.journal.billing import cents
from emulator.model.function import Function
from emulator.sandbox.limits_table import Held, Level

UNITS = Decimal("0.0001")


class Swept(Struct, frozen=True):
    """`held` is how cores and memory are limited here, `prices` the day of the price list, `load` how many programs
    wanted a core of this machine meanwhile."""

    function: Function
    found: Sequence[Measured]
    refused: Mapping[Tried, str]
    keep: Sequence[Keep]
    held: tuple[Held, Held]
    prices: date
    load: float = 0.0

    @property
    def cheapest(self) -> Measured | None:
        return cheapest(self.found, self.keep) if self.keep else None

    def warnings(self) -> Iterator[str]:
        """What makes the figures worth less than they look."""
        for what, held in zip(("cores", "memory"), self.held, strict=True):
            if held.level is Level.ABSENT:
                lift = f"; {held.lift}" if held.lift else ""
                yield f"{what} can not be limited here ({held.why}): sizes differ in price only{lift}"
            elif held.level is Level.APPROXIMATE and what == "cores":
                yield f"{what} are limited approximately here: {held.why}"
        cores = os.cpu_count() or 1
        if any(it.size.cpu > cores for it in self.found):
            yield f"this machine has {cores} cores: sizes with more are as fast as that"
        if self.load > cores:
            yield f"this machine was busy (load {self.load:.1f} of {cores} cores), and figures are higher for it"
        failed = [it for it in self.found if it.failed]
        for it in failed:
            yield f"{it.size}: {it.failed} of {it.calls} calls failed: {it.why}"
        if not self.keep:
            yield "the declared size fails, so that there is nothing to compare with: say what must hold by --keep"


def show(swept: Swept, terminal: Terminal, *, json: bool) -> None:
    if json:
        terminal.say(json_lines.dumps(_json(swept), ensure_ascii=False))
    else:
        terminal.say("\n".join([*_table(swept), "", *_words(swept, terminal)]))


def _table(swept: Swept) -> list[str]:
    currencies = list(swept.found[0].million)
    head = ["MB", "cores", "conc.", "cold ms", "p50 ms", "p95 ms", "p99 ms", "peak MB", "CU"]
    rows = [[*head, *(f"{name}/million" for name in currencies), ""]]
    for it in swept.found:
        figures = [f"{it.figure(name):.1f}" for name in ("cold", "p50", "p95", "p99")]
        money = [str(cents(it.million[name])) for name in currencies]
        size = [str(it.size.memory_mb), number(it.size.cpu), str(it.size.concurrency)]
        rows.append([*size, *figures, f"{it.memory_mb:.0f}", f"{it.cu:.4f}", *money, _verdict(swept, it)])
    return columns(rows)


def _verdict(swept: Swept, it: Measured) -> str:
    if it.failed:
        return f"{it.failed} of {it.calls} failed"
    words = ["as declared"] if it.size == _declared(swept.function) else []
    if not it.keeps(swept.keep):
        words.append("too slow")
    elif swept.cheapest is not None and it is swept.cheapest:
        words.append("cheapest")
    return ", ".join(words)


def _declared(function: Function) -> Tried:
    return Tried(function.memory_mb, function.cpu, function.instance_concurrency)


def _words(swept: Swept, terminal: Terminal) -> list[str]:
    keep = " and ".join(map(str, swept.keep))
    best = swept.cheapest
    if best is not None:
        lines = [terminal.paint("green", f"Cheapest with {keep}: {best.size}") + f"{_saving(swept, best)}"]
    else:
        lines = [terminal.paint("yellow", f"No size keeps {keep}" if keep else "No size can be told from the others")]
    lines += [terminal.paint("yellow", f"! {text}") for text in swept.warnings()]
    reasons: dict[str, list[str]] = {}
    for size, why in swept.refused.items():
        reasons.setdefault(why, []).append(str(size))
    lines += [terminal.paint("dim", f"Left out, since {why}: {'; '.join(out)}") for why, out in reasons.items()]
    lines.append(terminal.paint("dim", f"Warm invocations at the prices of {swept.prices} (docs/cost.md)"))
    return lines


def _saving(swept: Swept, best: Measured) -> str:
    own = next(it for it in swept.found if it.size == _declared(swept.function))
    if own is best or own.failed or not own.cu:
        return ""
    share = (1 - best.cu / own.cu) * 100
    return f", {abs(share):.0f} % {'less' if share >= 0 else 'more'} than as declared"


def _json(swept: Swept) -> dict[str, Any]:
    best = swept.cheapest
    return {
        "function": str(swept.function.name),
        "prices": swept.prices.isoformat(),
        "keep": [{"figure": it.figure, "most_ms": it.most_ms} for it in swept.keep],
        "cheapest": None if best is None else _size(best.size),
        "sizes": [_measured(swept, it) for it in swept.found],
        "left_out": [{**_size(size), "why": why} for size, why in swept.refused.items()],
        "limits": {
            name: {"level": held.level.value, "why": held.why}
            for name, held in zip(("cpu", "memory"), swept.held, strict=True)
        },
        "warnings": list(swept.warnings()),
    }


def _measured(swept: Swept, it: Measured) -> dict[str, Any]:
    return {
        **_size(it.size),
        **{f"{name}_ms": round(it.figure(name), 3) for name in (*PERCENTILES, "cold")},
        "memory_used_mb": round(it.memory_mb, 2),
        "calls": it.calls,
        "failed": it.failed,
        "cu": str(it.cu.quantize(UNITS)),
        "million": {name: str(cents(amount)) for name, amount in it.million.items()},
        "keeps": bool(swept.keep) and it.keeps(swept.keep),
    }


def _size(size: Tried) -> dict[str, Any]:
    return {"memory_mb": size.memory_mb, "cpu": size.cpu, "concurrency": size.concurrency}
