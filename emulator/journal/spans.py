"""Invocations as spans of a trace, made from the journal after the fact: FC's own names (platform.md §10)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from emulator.model.events import (
    Event,
    InstanceMoved,
    InvocationEnded,
    InvocationRejected,
    InvocationStarted,
    Span,
)
from emulator.model.lifecycle import State
from emulator.model.trace import SAMPLED

# Which stretches of an instance's birth FC's spans consist of
PARTS: Mapping[str, tuple[str, ...]] = {
    "PrepareCode": ("compose", "prepare_code", "prepare_layers", "code_download", "image_pull"),
    "RuntimeInitialization": ("sandbox", "runtime", "load"),
    "Initializer": ("initializer",),
    "HealthCheck": ("health_check",),
}
# Those that OpenTelemetry has a word for.
TRIGGERS = ("http", "timer")
NANOSECONDS = 1_000_000_000
Values = dict[str, str | int | float | bool]


class TraceSpan(Struct, frozen=True):
    """One span. Ids are hex, `parent_id` is empty for none; times are nanoseconds of Unix time. `server`: a request
    came in with it. `error` says what failed."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    values: Values
    server: bool = False
    error: str = ""


class Spans:
    """A fold: `feed` gives the spans that ended with these events."""

    def __init__(self, now: float) -> None:
        self._epoch = now - time.time()
        self._open: dict[str, InvocationStarted] = {}
        self._births: dict[str, list[Span]] = {}
        self._takers: Mapping[type[Event], Callable[[Any], Iterable[TraceSpan]]] = {
            Span: self._birth,
            InvocationStarted: self._started,
            InvocationEnded: self._ended,
            InvocationRejected: self._rejected,
            InstanceMoved: self._moved,
        }

    def feed(self, events: Iterable[Event]) -> Iterator[TraceSpan]:
        for event in events:
            taker = self._takers.get(type(event))
            if taker is not None:
                yield from taker(event)

    def _birth(self, event: Span) -> Iterable[TraceSpan]:
        if event.instance_id:
            self._births.setdefault(event.instance_id, []).append(event)
        return ()

    def _moved(self, event: InstanceMoved) -> Iterable[TraceSpan]:
        if event.after is State.STOPPED:
            self._births.pop(event.instance_id, None)
        return ()

    def _started(self, event: InvocationStarted) -> Iterable[TraceSpan]:
        if _is_sampled(event.traceparent):
            self._open[event.request_id] = event
        return ()

    def _ended(self, event: InvocationEnded) -> Iterable[TraceSpan]:
        births = self._births.pop(event.instance_id, [])
        started = self._open.pop(event.request_id, None)
        if started is None:
            return
        trace_id, span_id = _ids(started.traceparent)
        outer, values = os.urandom(8).hex(), _values(started, event)
        arrived = started.at - event.queue_ms / 1000
        yield TraceSpan(
            "InvokeFunction",
            trace_id,
            outer,
            started.parent_span,
            self._ns(arrived),
            self._ns(event.at),
            values,
            True,
            _error(event),
        )
        if event.cold and births:
            yield from self._cold_start(trace_id, outer, births, started)
        yield TraceSpan(
            "Invocation",
            trace_id,
            span_id,
            outer,
            self._ns(started.at),
            self._ns(event.at),
            values,
            error=_error(event),
        )

    def _cold_start(
        self, trace_id: str, parent_id: str, births: list[Span], started: InvocationStarted
    ) -> Iterator[TraceSpan]:
        own = os.urandom(8).hex()
        values: Values = {"faas.name": started.function, "faas.instance": started.instance_id}
        began = min(birth.at for birth in births)
        yield TraceSpan("ColdStart", trace_id, own, parent_id, self._ns(began), self._ns(started.at), values)
        for name, parts in PARTS.items():
            found = [birth for birth in births if birth.name in parts]
            if found:
                start = min(birth.at for birth in found)
                end = max(birth.at + birth.duration_ms / 1000 for birth in found)
                span_id = os.urandom(8).hex()
                yield TraceSpan(name, trace_id, span_id, own, self._ns(start), self._ns(end), values)

    def _rejected(self, event: InvocationRejected) -> Iterable[TraceSpan]:
        """No instance, and no time in one."""
        if not _is_sampled(event.traceparent):
            return
        trace_id, span_id = _ids(event.traceparent)
        values: Values = {
            "faas.name": event.function,
            "faas.invocation_id": event.request_id,
            "http.response.status_code": event.status,
        }
        at, error = self._ns(event.at), f"{event.code}: {event.message}"
        yield TraceSpan("InvokeFunction", trace_id, span_id, event.parent_span, at, at, values, True, error)

    def _ns(self, at: float) -> int:
        return int((at - self._epoch) * NANOSECONDS)


def _values(started: InvocationStarted, ended: InvocationEnded) -> Values:
    """Attributes by OpenTelemetry's conventions for functions, and FC's own."""
    return {
        "faas.name": started.function,
        "faas.invocation_id": started.request_id,
        "faas.instance": started.instance_id,
        "faas.trigger": started.trigger if started.trigger in TRIGGERS else "other",
        "faas.coldstart": ended.cold,
        "faas.max_memory": ended.memory_size_mb * 1024 * 1024,
        "http.response.status_code": ended.status,
        "fc.qualifier": started.qualifier,
        "fc.memory_used_mb": round(ended.memory_mb, 2),
        "fc.duration_ms": round(ended.duration_ms, 3),
    }


def _error(event: InvocationEnded) -> str:
    return (event.detail or event.error) if event.error else ""


def _is_sampled(traceparent: str) -> bool:
    return bool(traceparent) and bool(int(traceparent[-2:], 16) & SAMPLED)


def _ids(traceparent: str) -> tuple[str, str]:
    _, trace_id, span_id, _ = traceparent.split("-")
    return trace_id, span_id
