"""From the journal to cold starts, taken apart: the one place that knows which events say what of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from emulator.journal.stretches import Birth, cold_start
from emulator.model.coldstart import ColdStart
from emulator.model.events import (
    Event,
    InstanceMoved,
    InstancePaused,
    InstanceResumed,
    InstanceStarted,
    InstanceTraced,
    InvocationEnded,
    InvocationStarted,
    PageCacheSeen,
    RevisionDeployed,
    Span,
)
from emulator.model.inner_events import FilesRead
from emulator.model.lifecycle import State

# What an instance tells of its start comes right behind its first answer; a busy machine takes its time.
PATIENCE_SECONDS = 10.0
# Births that are not over: instances that were never asked for anything are among them.
MOST_BIRTHS = 2000
MOST_PREPARATIONS = 10
# A span of another name is no birth's beginning.
FIRST_SPANS = frozenset({"compose", "create", "sandbox"})
ENDED = frozenset({State.STOPPING, State.STOPPED})


class ColdStarts:
    """A reader of the journal: feed it all events, in order, and take cold starts.

    One is complete when the first invocation of its instance has ended, or its birth has failed, and it is known how
    the instance has spent it and which files it has read. `traced` and `reads` say whether these are waited for,
    `PATIENCE_SECONDS` at most: they are the settings `trace` and `trace_reads`.
    """

    def __init__(self, *, traced: bool = True, reads: bool = False) -> None:
        self._traced = traced
        self._reads = reads
        self._births: dict[str, Birth] = {}
        # Of those, the ones that only wait to be told.
        self._waiting: dict[str, float] = {}
        # By function: of the deployment that is under way, and of the last that took any time.
        self._preparing: dict[str, list[Span]] = {}
        self._prepared: dict[str, list[Span]] = {}
        self._takers: Mapping[type, Callable[[Any], ColdStart | None]] = {
            Span: self._span,
            RevisionDeployed: self._deployed,
            InstanceStarted: self._started,
            InstanceMoved: self._moved,
            InstancePaused: self._paused,
            InstanceResumed: self._resumed,
            InstanceTraced: self._told,
            FilesRead: self._read,
            PageCacheSeen: self._cache_seen,
            InvocationStarted: self._asked,
            InvocationEnded: self._answered,
        }

    def feed(self, events: Iterable[Event]) -> list[ColdStart]:
        """The cold starts that are complete by these events."""
        found = []
        for event in events:
            taker = self._takers.get(type(event))
            complete = taker(event) if taker is not None else None
            if complete is not None:
                found.append(complete)
            if self._waiting:
                found += self.due(event.at)
        return found

    def due(self, now: float) -> list[ColdStart]:
        """Those that have waited for long enough; `now` is like the `at` of events. For a journal in which nothing more
        happens, and at its end with infinity."""
        over = [it for it, since in self._waiting.items() if now - since > PATIENCE_SECONDS]
        return [self._complete(instance_id) for instance_id in over]

    # --- events ---

    def _deployed(self, event: RevisionDeployed) -> None:
        if spans := self._preparing.pop(event.function, None):
            self._prepared[event.function] = spans

    def _span(self, event: Span) -> None:
        if not event.instance_id:
            spans = self._preparing.setdefault(event.function, [])
            spans[:] = [*spans[-MOST_PREPARATIONS:], event]  # of deployments that fail there may be many
            return
        birth = self._births.get(event.instance_id)
        if birth is None and event.name in FIRST_SPANS:
            birth = self._born(event.instance_id, event.function)
        if birth is not None:
            birth.spans.append(event)

    def _started(self, event: InstanceStarted) -> None:
        birth = self._births.get(event.instance_id) or self._born(event.instance_id, event.function)
        birth.started = event

    def _moved(self, event: InstanceMoved) -> ColdStart | None:
        birth = self._births.get(event.instance_id)
        if birth is None:
            return None
        birth.revision = event.revision
        if event.before is State.INITIALIZING and event.after is State.IDLE:
            birth.ready_at = event.at
        elif event.after in ENDED:
            return self._stopped(birth, event)
        return None

    def _stopped(self, birth: Birth, event: InstanceMoved) -> ColdStart | None:
        birth.tells = False
        if not birth.ready_at:
            if not birth.failed_at:
                birth.failed_at, birth.error = event.at, event.reason or "ended"
                self._waiting[event.instance_id] = event.at
        elif birth.first is None:
            del self._births[event.instance_id]  # nobody has ever asked it for anything
            return None
        return self._complete_if_known(birth)

    def _paused(self, event: InstancePaused) -> None:
        birth = self._births.get(event.instance_id)
        if birth is not None:
            birth.paused_at = event.at

    def _resumed(self, event: InstanceResumed) -> None:
        birth = self._births.get(event.instance_id)
        if birth is not None:
            birth.pauses.append((birth.paused_at, event.at))

    def _told(self, event: InstanceTraced) -> ColdStart | None:
        birth = self._births.get(event.instance_id)
        if birth is None:
            return None
        birth.trace = event
        return self._complete_if_known(birth)

    def _read(self, event: FilesRead) -> ColdStart | None:
        birth = self._births.get(event.instance_id)
        if birth is None:
            return None
        birth.files = event
        return self._complete_if_known(birth)

    def _cache_seen(self, event: PageCacheSeen) -> None:
        birth = self._births.get(event.instance_id)
        if birth is not None:
            birth.cache = event

    def _asked(self, event: InvocationStarted) -> None:
        birth = self._births.get(event.instance_id)
        if birth is not None and birth.first is None:
            birth.first = event

    def _answered(self, event: InvocationEnded) -> ColdStart | None:
        birth = self._births.get(event.instance_id)
        if birth is None or birth.first is None or birth.first.request_id != event.request_id:
            return None
        birth.ended = event
        self._waiting[event.instance_id] = event.at
        return self._complete_if_known(birth)

    # --- births ---

    def _complete_if_known(self, birth: Birth) -> ColdStart | None:
        traced = birth.trace is not None or birth.is_silent or not (self._traced and birth.tells)
        read = birth.files is not None or not self._reads
        over = birth.ended is not None or birth.failed_at
        return self._complete(birth.instance_id) if over and traced and read else None

    def _born(self, instance_id: str, function: str) -> Birth:
        if len(self._births) >= MOST_BIRTHS:
            oldest = next(iter(self._births))
            self._waiting.pop(oldest, None)
            del self._births[oldest]
        birth = self._births[instance_id] = Birth(instance_id, function, self._prepared.get(function, ()))
        return birth

    def _complete(self, instance_id: str) -> ColdStart:
        self._waiting.pop(instance_id, None)
        return cold_start(self._births.pop(instance_id))
