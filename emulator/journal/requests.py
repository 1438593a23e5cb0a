"""The last requests and sessions one by one, for what each of them cost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from emulator.journal.usage import Meter, Run, Running, Size, Used, rounded_up
from emulator.model.events import Event, InvocationEnded, SessionUsed

# How many requests, and sessions, are remembered.
MOST_KEPT = 1000
# Requests of which it is known to which session they belong: those that run, and some that are shown.
MOST_BELONGING = 10_000


class Request(Struct, frozen=True):
    """One invocation. Where others ran in its instance at the same time, all together took less than their sum.
    `at` is Unix time."""

    at: float
    request_id: str
    function: str
    size: Size
    used: Used
    session_id: str = ""


class Session(Struct):
    function: str
    used: dict[Size, Used]


class Requests:
    """A fold beside that of `meter`, which is fed before: it knows the instances."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.sessions: dict[str, Session] = {}
        self._last: deque[InvocationEnded] = deque(maxlen=MOST_KEPT)
        self._belongs: dict[str, str] = {}
        self.takers: Mapping[type[Event], Callable[[Any], None]] = {SessionUsed: self._session}

    def took(self, run: Run) -> None:
        """Invocations that ended, among what else happened."""
        ended = [event for event in run if isinstance(event, InvocationEnded)]
        self._last += ended
        if self._belongs:
            for event in ended:
                if event.request_id in self._belongs:
                    self._count(event, self._belongs[event.request_id])

    def last(self, most: int) -> list[Request]:
        """Those that ended last, the oldest first."""
        found = ((event, self._meter.running(event.instance_id)) for event in [*self._last][-most:])
        return [self._request(event, running) for event, running in found if running is not None]

    def _request(self, event: InvocationEnded, running: Running) -> Request:
        used = Used(rounded_up(event.duration_ms, running.unit_ms), calls=1)
        session_id = self._belongs.get(event.request_id, "")
        at = self._meter.unix(event.at)
        return Request(at, event.request_id, running.function, running.size, used, session_id)

    def _session(self, event: SessionUsed) -> None:
        """A session that the function makes is known when its first request has ended already."""
        if len(self._belongs) >= MOST_BELONGING:
            del self._belongs[next(iter(self._belongs))]
        self._belongs[event.request_id] = event.session_id
        for ended in self._last:
            if ended.request_id == event.request_id:
                self._count(ended, event.session_id)

    def _count(self, event: InvocationEnded, session_id: str) -> None:
        running = self._meter.running(event.instance_id)
        if running is None:
            return
        session = self.sessions.pop(session_id, None) or Session(running.function, {})
        if len(self.sessions) >= MOST_KEPT:
            del self.sessions[next(iter(self.sessions))]
        self.sessions[session_id] = session  # the one used last is the last to be forgotten
        used = session.used.setdefault(running.size, Used())
        used.active_ms += rounded_up(event.duration_ms, running.unit_ms)
        used.calls += 1
