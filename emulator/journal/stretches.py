"""What is known of one birth, and the cold start that it was: stretches of one time, without pauses and measuring."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from msgspec.structs import replace

from emulator.model.coldstart import ColdStart, FileRead, Import, Phase
from emulator.model.events import (
    InstanceStarted,
    InstanceTraced,
    InvocationEnded,
    InvocationStarted,
    PageCacheSeen,
    Span,
    TracedImport,
)
from emulator.model.inner_events import FilesRead
from emulator.model.launch import Start

# Phases that lie in another one; what is in none of these is a phase of its own.
PARTS = {
    "create": ("image_pull", "code_download", "prepare_code", "prepare_layers", "compose", "sandbox"),
    "runtime": ("process", "port"),
}
# An interpreter that was there before the birth takes no time of it.
INTERPRETED_BEFORE = frozenset({Start.FORK.value, Start.SPARE.value})
Stretch = tuple[float, float]


class Birth:
    """What the journal has told of an instance so far, until its first invocation is over."""

    def __init__(self, instance_id: str, function: str, before: Sequence[Span] = ()) -> None:
        self.instance_id = instance_id
        self.before = before
        self.function = function
        self.revision = 0
        self.spans: list[Span] = []
        self.started: InstanceStarted | None = None
        self.ready_at = 0.0
        self.failed_at = 0.0
        self.error = ""
        self.paused_at = 0.0
        self.pauses: list[Stretch] = []
        self.first: InvocationStarted | None = None
        self.ended: InvocationEnded | None = None
        self.trace: InstanceTraced | None = None
        self.files: FilesRead | None = None
        self.cache: PageCacheSeen | None = None
        # Whether it can still tell how its start was spent.
        self.tells = True

    @property
    def is_silent(self) -> bool:
        """The user's own server tells nothing, unless it runs on an interpreter that is asked."""
        process = self.span("process")
        return process is not None and not process.detail

    def span(self, name: str) -> Span | None:
        return next((span for span in self.spans if span.name == name), None)

    def end_of(self, span: Span) -> float:
        """When it ended: its own duration leaves pauses out."""
        end = span.at + span.duration_ms / 1000
        for begin, over in self.pauses:
            if span.at <= begin < end:
                end += over - begin
        return end


class Timeline:
    """Moments as milliseconds since `begin`, where `cuts` did not happen, and `costs`, pairs of a moment and seconds,
    took nothing."""

    def __init__(self, begin: float, cuts: Sequence[Stretch], costs: Sequence[tuple[float, float]]) -> None:
        self._cuts = cuts
        told = sorted(costs)
        self._moments = [moment for moment, _ in told]
        self._spent = [0.0, *accumulate(seconds for _, seconds in told)]
        self._begin = self._counted(begin)

    def ms(self, moment: float) -> float:
        return max(0.0, (self._counted(moment) - self._begin) * 1000)

    def _counted(self, moment: float) -> float:
        cut = sum(min(moment, end) - begin for begin, end in self._cuts if begin < moment)
        return moment - cut - self._spent[bisect_left(self._moments, moment)]


def cold_start(birth: Birth) -> ColdStart:
    """`birth` is over: its first invocation has ended, or it has failed."""
    trace, ended = birth.trace, birth.ended
    began = min((span.at for span in birth.spans), default=birth.started.at if birth.started else birth.failed_at)
    arrived = began
    if birth.first is not None and ended is not None:
        arrived = birth.first.at - ended.queue_ms / 1000
    measured, costs = [*_measuring(birth)], [*_costs(birth)]
    line = Timeline(min(began, arrived), [*measured, *birth.pauses, *_idle(birth, arrived)], costs)
    return ColdStart(
        birth.function,
        birth.instance_id,
        birth.revision or (birth.started.revision if birth.started else 0),
        birth.started.start if birth.started else "",
        line.ms(ended.at if ended else birth.failed_at),
        tuple(_Phases(birth, line, began, arrived)),
        _imports(trace.imports if trace else (), line),
        tuple(_reads(birth, line)),
        measuring_ms=sum([*(end - begin for begin, end in measured), *(seconds for _, seconds in costs)]) * 1000,
        memory_mb=ended.memory_mb if ended else 0.0,
        error=birth.error or (ended.error if ended else ""),
        more_imports=trace.more if trace else 0,
        used=trace.used if trace else (),
        unused=trace.unused if trace else (),
        page_cache=birth.cache.sizes if birth.cache is not None else None,
        before=tuple(_before(birth.before)),
    )


def _before(spans: Sequence[Span]) -> Iterator[Phase]:
    for span in spans:
        yield Phase(span.name, (span.at - spans[0].at) * 1000, span.duration_ms, detail=span.detail)


def _idle(birth: Birth, arrived: float) -> list[Stretch]:
    """It was there before anybody asked for it."""
    return [(birth.ready_at, arrived)] if birth.ready_at and arrived > birth.ready_at else []


def _measuring(birth: Birth) -> Iterator[Stretch]:
    """By the instance, and by us: what is made like the cloud is looked at and made ready before the start."""
    for name, begin, end in birth.trace.phases if birth.trace else ():
        if name == "measuring":
            yield begin, end
    for span in birth.spans:
        if span.name == "conditions":
            yield span.at, birth.end_of(span)


def _costs(birth: Birth) -> Iterator[tuple[float, float]]:
    """What measuring took, and when: a record at its beginning, the reads of a file at the first of them."""
    if birth.trace is not None:
        for record in birth.trace.imports:
            yield record[2], birth.trace.record_seconds
    if birth.files is not None:
        read = [file for file in birth.files.reads if file.at_ms]
        calls = sum(file.times for file in read) or 1
        for file in read:
            yield file.at_ms / 1000, birth.files.measuring_ms / 1000 * file.times / calls


def _reads(birth: Birth, line: Timeline) -> Iterator[FileRead]:
    left = dict(birth.cache.left) if birth.cache is not None else {}
    for file in birth.files.reads if birth.files is not None else ():
        at_ms = line.ms(file.at_ms / 1000) if file.at_ms else 0.0
        cached = left.get(file.path, 0) if _was_looked_at(file.path, birth.cache) else file.cached
        yield replace(file, at_ms=at_ms, cached=cached)


def _was_looked_at(path: str, cache: PageCacheSeen | None) -> bool:
    return cache is not None and any(path == place or path.startswith(f"{place}/") for place in cache.places)


class _Phases:
    """The phases of a birth, one behind the other, each followed by its parts: what lies between two of them belongs to
    the later one, so that they add up to the whole."""

    def __init__(self, birth: Birth, line: Timeline, began: float, arrived: float) -> None:
        self._birth = birth
        self._line = line
        self._began = began
        self._at = 0.0
        self._count = 0
        self._arrived = arrived
        self._loads = sorted((b, e) for name, b, e in birth.trace.phases if name == "load") if birth.trace else []

    def __iter__(self) -> Iterator[Phase]:
        birth = self._birth
        if self._arrived < self._began:
            yield from self._phase("queue", self._began)
        for name in ("create", "debugger", "runtime", "initializer", "health_check"):
            span = birth.span(name)
            if span is not None:
                yield from self._loading(birth.end_of(span))
                yield from self._phase(name, birth.end_of(span), span.detail)
            elif name == "create":
                yield from self._unfinished()
        if birth.ended is not None:
            yield from self._loading(birth.ended.at)
            yield from self._phase("first_request", birth.ended.at)

    def _unfinished(self) -> Iterator[Phase]:
        """Walls that could not be built."""
        spans = [span for span in self._birth.spans if span.name in PARTS["create"]]
        if spans:
            yield from self._phase("create", max(map(self._birth.end_of, spans)), spans[-1].detail)

    def _loading(self, until: float) -> Iterator[Phase]:
        """The user's module is loaded by whatever asks for it first."""
        while self._loads and self._loads[0][1] <= until:
            yield from self._phase("load", self._loads.pop(0)[1])

    def _phase(self, name: str, end: float, detail: str = "") -> Iterator[Phase]:
        at, place = self._at, self._count
        self._at = max(at, self._line.ms(end))
        self._count += 1
        yield Phase(name, at, self._at - at, detail=detail)
        parts = [(span.name, span.at, self._birth.end_of(span), span.detail) for span in self._parts(name)]
        for part, begin, over, told in parts or self._told(name, at):
            self._count += 1
            first = min(max(at, self._line.ms(begin)), self._at)
            last = min(max(first, self._line.ms(over)), self._at)
            yield Phase(part, first, last - first, place, told)

    def _parts(self, name: str) -> Iterator[Span]:
        wanted = PARTS.get(name, ())
        return (span for span in self._birth.spans if span.name in wanted)

    def _told(self, name: str, at: float) -> Iterator[tuple[str, float, float, str]]:
        """What a bootstrap says of its own start."""
        birth, trace = self._birth, self._birth.trace
        if name != "runtime" or trace is None:
            return
        for part, begin, end in trace.phases:
            if part == "bootstrap":
                if birth.started is None or birth.started.start not in INTERPRETED_BEFORE:
                    before = birth.started.at if birth.started else begin
                    yield "interpreter", min(before, begin), begin, ""
                yield part, begin, end, ""


def _imports(records: Sequence[TracedImport], line: Timeline) -> tuple[Import, ...]:
    totals = [line.ms(record[3]) - line.ms(record[2]) for record in records]
    own = list(totals)
    # What one module asks for runs one after the other, but for ES modules, which may wait at the same time.
    until = [0.0] * len(records)
    for _, parent, begin, end, *_ in records:
        if parent >= 0:
            own[parent] -= max(0.0, line.ms(end) - max(line.ms(begin), until[parent]))
            until[parent] = max(until[parent], line.ms(end))
    return tuple(
        Import(name, line.ms(begin), total, max(0.0, alone), parent, file, compiled * 1000, size, failed)
        for (name, parent, begin, _, compiled, file, size, failed), total, alone in zip(
            records, totals, own, strict=True
        )
    )
