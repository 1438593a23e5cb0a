"""A function's own time, for what outlives a single instance of it: asynchronous tasks, sessions."""

from __future__ import annotations

from collections.abc import Callable

from emulator.model.function import FunctionName


class FunctionClock:
    """Stands still while one of the function's instances does, for it is that one which is waited for."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._standing: set[str] = set()
        self._since = 0.0
        self._stood = 0.0

    @property
    def stands(self) -> bool:
        return bool(self._standing)

    def monotonic(self) -> float:
        """Seconds, of which only differences mean something."""
        return (self._since if self._standing else self._now()) - self._stood

    def note(self, instance_id: str, *, stands: bool) -> None:
        """The clock of an instance stands, or runs."""
        before = bool(self._standing)
        if stands:
            self._standing.add(instance_id)
        else:
            self._standing.discard(instance_id)
        now = self._now()
        if self._standing and not before:
            self._since = now
        elif before and not self._standing:
            self._stood += now - self._since


class FunctionClocks:
    """The clocks of all functions that were asked for one."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._clocks: dict[FunctionName, FunctionClock] = {}

    def of(self, name: FunctionName) -> FunctionClock:
        clock = self._clocks.get(name)
        if clock is None:
            clock = self._clocks[name] = FunctionClock(self._now)
        return clock
