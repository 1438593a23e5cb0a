"""Time that stands until a test lets it pass, and the timers that fall due then."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class FakeTimer:
    def __init__(self, then: Callable[[], None]) -> None:
        self.then: Callable[[], None] | None = then

    def cancel(self) -> None:
        self.then = None


class FakeTime:
    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[tuple[float, int, FakeTimer]] = []
        self._numbers = itertools.count()

    def monotonic(self) -> float:
        return self.now

    def call_later(self, seconds: float, then: Callable[[], None]) -> FakeTimer:
        timer = FakeTimer(then)
        heapq.heappush(self._timers, (self.now + seconds, next(self._numbers), timer))
        return timer

    def run(self, seconds: float) -> None:
        """Let time pass: what falls due is called at its moment, in order."""
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end:
            due, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, due)
            if timer.then is not None:
                timer.then()
        self.now = end

    @property
    def armed(self) -> int:
        """How many timers will still call somebody."""
        return sum(timer.then is not None for _, _, timer in self._timers)
