"""The journal: facts go in at one end, every reader gets them in order at its own pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

from emulator.model.clock import Clock, SystemClock
from emulator.model.events import Event, Notice, Span


class Reader:
    """One subscription: an async iterator of batches.

    A batch is gathered for `linger` seconds after its first event, so that a reader costs one wake-up for many
    events. A reader that falls more than `capacity` events behind loses the newest ones, and `dropped` says how
    many: a slow console must never hold an invocation up.
    """

    def __init__(self, journal: Journal, capacity: int, linger: float) -> None:
        self._journal = journal
        self._capacity = capacity
        self._linger = linger
        self._events: list[Event] = []
        self._ready = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        # The first event of a batch arms the timer; those behind it cost no more than this flag.
        self._gathering = False
        self._closed = False
        self.dropped = 0

    def offer(self, event: Event) -> None:
        if len(self._events) >= self._capacity:
            self.dropped += 1
            return
        self._events.append(event)
        if not self._gathering:
            self._gathering = True
            self._timer = asyncio.get_running_loop().call_later(self._linger, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._ready.set()

    def take(self) -> list[Event]:
        """Everything that is there now, without waiting."""
        events, self._events = self._events, []
        if not self._closed:
            self._ready.clear()
            self._gathering = self._timer is not None
        return events

    async def __aiter__(self) -> AsyncIterator[list[Event]]:
        while True:
            await self._ready.wait()
            events = self.take()
            if events:
                yield events
            elif self._closed:
                return

    def close(self) -> None:
        """No more events; what was gathered is still delivered."""
        self._journal.unsubscribe(self)
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._ready.set()


class Journal:
    """Append-only stream of facts. It keeps nothing itself: who wants the past subscribes early."""

    def __init__(self, clock: Clock | None = None) -> None:
        # Bound once: it is asked several times per invocation.
        self.now: Callable[[], float] = (clock or SystemClock()).monotonic
        self._readers: list[Reader] = []
        self._told: set[str] = set()

    def append(self, event: Event) -> None:
        for reader in self._readers:
            reader.offer(event)

    def subscribe(self, capacity: int = 10_000, linger: float = 0.02) -> Reader:
        reader = Reader(self, capacity, linger)
        self._readers.append(reader)
        return reader

    def unsubscribe(self, reader: Reader) -> None:
        if reader in self._readers:
            self._readers.remove(reader)

    def notice(self, message: str, *, level: str = "warning", function: str = "") -> None:
        """Tell the user something once: the same sentence about the same function is not repeated."""
        key = f"{function}\0{message}"
        if key not in self._told:
            self._told.add(key)
            self.append(Notice(self.now(), level, message, function))

    def span(
        self, name: str, function: str, instance_id: str, running: Callable[[], float] | None = None
    ) -> SpanRecorder:
        """`running` measures the span where that is not plain time."""
        return SpanRecorder(self, name, function, instance_id, running or self.now)


class SpanRecorder:
    """`with journal.span("sandbox.start", …) as span:` appends one Span when it is left, also by an error."""

    def __init__(
        self, journal: Journal, name: str, function: str, instance_id: str, running: Callable[[], float]
    ) -> None:
        self._journal = journal
        self._name = name
        self._function = function
        self._instance_id = instance_id
        self._running = running
        self._at = self._began = 0.0
        self.detail = ""
        self.duration_ms = 0.0

    def __enter__(self) -> Self:
        self._at, self._began = self._journal.now(), self._running()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.duration_ms = (self._running() - self._began) * 1000
        detail = self.detail or (kind.__name__ if kind else "")
        self._journal.append(Span(self._at, self._function, self._instance_id, self._name, self.duration_ms, detail))
