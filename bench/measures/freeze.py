"""What freezing costs: throughput with and without it, and the time that a frozen instance adds to a call."""

from __future__ import annotations

from pathlib import Path

from bench.context import BODY_BYTES, Bench
from bench.event_log import events
from bench.findings import Findings, Goal, Sense, Table, median, ratio
from bench.servers.base import Running, echo_body
from bench.servers.product import Product

CLIENTS = 16
WARM_UP_CALLS = 20
KEPT_LIMIT = 0.92
THAW_MS_LIMIT = 1.0
# Longer than the 15 ms after which an idle instance is frozen, and than the freezing itself.
PAUSE_MS = 60.0
CALLS_A_BLOCK = 15
# Of the calls to the freezing emulator, the share that must have met a frozen instance for the figure to mean anything.
FROZEN_SHARE = 0.9


def measure(bench: Bench) -> Findings:
    """Both parts, as one table."""
    kept, frozen_rate, free_rate = _throughput(bench)
    thaw = _Thaw(bench)
    rows = [
        ["calls/s at 16 clients", f"{frozen_rate:.0f}", f"{free_rate:.0f}", f"x {kept:.2f}"],
        ["call after a rest, p50 ms", f"{thaw.frozen_ms:.3f}", f"{thaw.rested_ms:.3f}", f"+ {thaw.added_ms:.3f}"],
        ["call without a rest, p50 ms", f"{thaw.warm_ms:.3f}", "", ""],
    ]
    goals = [
        Goal("freeze.throughput", "calls a second with freezing, of those without", Sense.AT_LEAST, KEPT_LIMIT, kept),
        Goal("freeze.thaw", "ms that a thaw adds to a call", Sense.AT_MOST, THAW_MS_LIMIT, thaw.goal_ms, thaw.note),
    ]
    figures = {
        "calls_per_second": {"freeze": frozen_rate, "no_freeze": free_rate, "ratio": kept},
        "thaw_ms": {"frozen": thaw.frozen_ms, "rested": thaw.rested_ms, "warm": thaw.warm_ms, "added": thaw.added_ms},
        "thaws": {"calls": thaw.calls, "frozen": thaw.freezes},
    }
    return Findings([Table("Freezing", ["", "freeze", "no freeze", ""], rows)], goals, figures)


def _throughput(bench: Bench) -> tuple[float, float, float]:
    body = echo_body(BODY_BYTES)
    rates: tuple[list[float], list[float]] = ([], [])
    with bench.running(Product()) as freezing, bench.running(Product(flags=("--no-freeze",))) as free:
        for it in (freezing, free):
            bench.generator.send(it.load(body, CLIENTS, calls=WARM_UP_CALLS))
        for round_ in range(bench.sizes.rounds):
            bench.say(f"freeze: throughput, round {round_ + 1} of {bench.sizes.rounds}")
            for it, kept in zip((freezing, free), rates, strict=True):
                kept.append(bench.generator.send(it.load(body, CLIENTS, seconds=bench.sizes.seconds)).per_second)
    share = median(ratio(one, other) for one, other in zip(*rates, strict=True))
    return share, median(rates[0]), median(rates[1])


class _Thaw:
    """Calls after a rest to a freezing emulator and to one that does not freeze, in turns, so that what a rest costs
    by itself (idle CPUs, cold caches) is on both sides. The event stream tells how many instances were frozen.
    """

    def __init__(self, bench: Bench) -> None:
        frozen: list[float] = []
        rested: list[float] = []
        warm: list[float] = []
        self.calls = 0
        with (
            bench.running(Product(flags=("--json",))) as freezing,
            bench.running(Product(flags=("--json", "--no-freeze"))) as free,
        ):
            for block in range(bench.sizes.samples):
                bench.say(f"freeze: thaws, block {block + 1} of {bench.sizes.samples}")
                frozen.append(self._p50_ms(bench, freezing, PAUSE_MS))
                rested.append(self._p50_ms(bench, free, PAUSE_MS))
                warm.append(self._p50_ms(bench, free, 0))
                self.calls += CALLS_A_BLOCK
            self.freezes = freezes(freezing.process.log)
        self.frozen_ms, self.rested_ms, self.warm_ms = median(frozen), median(rested), median(warm)
        self.added_ms = median(one - other for one, other in zip(frozen, rested, strict=True))

    @property
    def is_sound(self) -> bool:
        return self.freezes >= FROZEN_SHARE * self.calls

    @property
    def goal_ms(self) -> float | None:
        return self.added_ms if self.is_sound else None

    @property
    def note(self) -> str:
        return "" if self.is_sound else f"only {self.freezes} of {self.calls} calls met a frozen instance"

    def _p50_ms(self, bench: Bench, it: Running, pause_ms: float) -> float:
        load = it.load(echo_body(BODY_BYTES), 1, calls=CALLS_A_BLOCK, pause_ms=pause_ms)
        return bench.generator.send(load).p50_ms


def freezes(log: Path) -> int:
    """How often the emulator that wrote this event stream froze an instance."""
    return sum(event.get("after") == "frozen" for event in events(log))
