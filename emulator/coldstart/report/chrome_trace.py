"""Cold starts in Chrome's trace event format, which Perfetto and chrome://tracing open (pure).

"Trace Event Format", object form, complete events: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
Slices of one track must nest exactly (https://perfetto.dev/docs/faq); what does not is given tracks of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from emulator.coldstart.spans import Nested, nest
from emulator.model.coldstart import ColdStart

# Numbers of tracks: of each kind as many as are needed.
TRACKS = {"phases": 1, "imports": 1000, "reads": 2000}

TraceEvent = dict[str, Any]


def chrome_trace(cold_starts: Sequence[ColdStart]) -> bytes:
    """JSON: a process for each run, in it tracks of phases, imports and reads; times in µs from its beginning."""
    events = [event for pid, run in enumerate(cold_starts, 1) for event in _run_events(run, pid)]
    return msgspec.json.encode({"traceEvents": events, "displayTimeUnit": "ms"})


def _run_events(run: ColdStart, pid: int) -> Iterator[TraceEvent]:
    yield _metadata("process_name", pid, 0, name=f"{run.function} cold start {pid}")
    yield _metadata("process_sort_index", pid, 0, sort_index=pid)
    slices = [*_phases(run), *_imports(run), *_reads(run)]
    for kind, lane in dict.fromkeys((kind, at.lane) for kind, at, _ in slices):
        name = f"{kind} {lane + 1}" if lane else kind
        yield _metadata("thread_name", pid, TRACKS[kind] + lane, name=name)
        yield _metadata("thread_sort_index", pid, TRACKS[kind] + lane, sort_index=TRACKS[kind] + lane)
    for kind, at, told in slices:
        begin, end = _us(at.begin), _us(at.end)
        place = {"pid": pid, "tid": TRACKS[kind] + at.lane, "ts": begin, "dur": end - begin}
        yield {"ph": "X", "cat": kind, **place, **told}


def _metadata(name: str, pid: int, tid: int, /, **args: str | int) -> TraceEvent:
    return {"ph": "M", "name": name, "pid": pid, "tid": tid, "args": args}


def _us(ms: float) -> int:
    """Whole ones, so that what touches in ms does not overlap by a rounding of sums."""
    return round(ms * 1000)


Slice = tuple[str, Nested, TraceEvent]


def _phases(run: ColdStart) -> Iterator[Slice]:
    spans = [(phase.at_ms, phase.at_ms + phase.duration_ms) for phase in run.phases]
    for at in nest(spans, [phase.parent for phase in run.phases]):
        phase = run.phases[at.index]
        args = {"args": {"detail": phase.detail}} if phase.detail else {}  # viewers show empty ones, too
        yield "phases", at, {"name": phase.name, **args}


def _imports(run: ColdStart) -> Iterator[Slice]:
    spans = [(module.at_ms, module.at_ms + module.total_ms) for module in run.imports]
    for at in nest(spans, [module.parent for module in run.imports]):
        module = run.imports[at.index]
        args = {"file": module.file, "self_ms": module.self_ms, "compiled_ms": module.compiled_ms, "size": module.size}
        yield "imports", at, {"name": module.name, "args": args}


def _reads(run: ColdStart) -> Iterator[Slice]:
    spans = [(read.at_ms, read.at_ms + read.busy_ms) for read in run.reads]
    for at in nest(spans, [-1] * len(spans)):
        yield "reads", at, {"name": run.reads[at.index].path, "args": msgspec.to_builtins(run.reads[at.index])}
