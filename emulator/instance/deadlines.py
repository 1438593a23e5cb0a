"""Deadlines of one length: they fall due in the order in which they were set, so one timer serves them all.

A timer of the event loop per invocation cost more than the journal does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

# Entries that ended behind one that lasts are swept out when they are this many more than the living ones.
SLACK = 1024


class Entry(Protocol):
    @property
    def ended(self) -> bool: ...

    def due(self) -> None: ...


class Deadlines:
    """Calls `due` on each entry that has not ended `seconds` after it was added."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._entries: deque[tuple[float, Entry]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._sweep_at = SLACK

    def add(self, now: float, entry: Entry) -> None:
        """`now` is the loop's own time in seconds."""
        entries = self._entries
        while entries and entries[0][1].ended:
            entries.popleft()
        if len(entries) >= self._sweep_at:
            self._entries = entries = deque(it for it in entries if not it[1].ended)
            self._sweep_at = 2 * len(entries) + SLACK
        entries.append((now + self._seconds, entry))
        if self._timer is None:
            self._arm(now + self._seconds)

    def _arm(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, due - loop.time()), self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        entries = self._entries
        while entries and (entries[0][1].ended or entries[0][0] <= now):
            _, entry = entries.popleft()
            if not entry.ended:
                entry.due()
        if entries:
            self._arm(entries[0][0])

    def close(self) -> None:
        self._entries.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
