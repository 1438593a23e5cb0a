"""All that is counted of one emulator's journal, fed together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from emulator.journal.metrics import Metrics
from emulator.journal.prices import read_prices
from emulator.journal.requests import Requests
from emulator.journal.usage import Meter
from emulator.model.events import Event, InstanceMoved, InvocationEnded, InvocationStarted

Run = list[InvocationStarted | InvocationEnded | InstanceMoved]
OFTEN = (InvocationStarted, InvocationEnded, InstanceMoved)


class Counters:
    """`feed` it every event in order. Raises `ConfigError` where the price list is none.

    What happens for each invocation, freezing and thawing too, is handed on together, by function, up to the next event
    of another kind that anybody counts.
    """

    def __init__(self, now: float, price_list: Path | None) -> None:
        self.prices = read_prices(price_list)
        self.metrics = Metrics(now)
        self.meter = Meter(now, self.prices.rounding, self.prices.release.delay_seconds)
        self.requests = Requests(self.meter)
        self._takers: dict[type[Event], list[Callable[[Any], None]]] = {}
        for takers in (self.metrics.takers, self.meter.takers, self.requests.takers):
            for kind, taker in takers.items():
                self._takers.setdefault(kind, []).append(taker)

    def feed(self, events: Iterable[Event]) -> None:
        runs: defaultdict[str, Run] = defaultdict(list)
        for event in events:
            if isinstance(event, OFTEN):
                runs[event.function].append(event)
                continue
            takers = self._takers.get(type(event))
            if takers is not None:
                self._hand_on(runs)
                for taker in takers:
                    taker(event)
        self._hand_on(runs)

    def _hand_on(self, runs: dict[str, Run]) -> None:
        for function, run in runs.items():
            self.metrics.took(function, run)
            self.meter.took(function, run)
            self.requests.took(run)
        runs.clear()
