"""Stretches of time that lie in each other: what is needed before they can be drawn or exported (pure).

Measured times nest almost: what was measured on two clocks, or rounded, overlaps by a little; what ran in two threads,
or waited at the same time as ES modules may, by a lot. Formats of traces allow neither on one track.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

# Less than this is rounding, more is another thread.
ROUNDING_MS = 0.05

Span = tuple[float, float]


class Nested(Struct, frozen=True, gc=False):
    """Item `index` on the track `lane`, `depth` items deep, in times that nest exactly."""

    index: int
    lane: int
    depth: int
    begin: float
    end: float


def covered(spans: Iterable[Span]) -> float:
    """How long at least one of them lasted."""
    total, until = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def nest(spans: Sequence[Span], parents: Sequence[int]) -> list[Nested]:
    """All of them in the order in which they are entered, those around before what is in them.

    `parents` are indexes, -1 for none; one that leads in a circle is taken for none. Each keeps within its parent and
    behind its elder sister; what overlaps with that by more than rounding gets a track of its own.
    """
    children: dict[int, list[int]] = {}
    for index, parent in enumerate(_sound(parents)):
        children.setdefault(parent, []).append(index)
    for family in children.values():
        family.sort(key=lambda index: (spans[index][0], -spans[index][1], index))
    nested: list[Nested] = []
    free_at: list[float] = []
    outermost = children.get(-1, [])[::-1]
    while outermost:
        index = outermost.pop()
        begin, end = spans[index]
        lane = next((n for n, free in enumerate(free_at) if free <= begin + ROUNDING_MS), len(free_at))
        earliest = free_at[lane] if lane < len(free_at) else begin
        begin, end = _within(begin, end, earliest, float("inf"))
        free_at[lane:] = [end, *free_at[lane + 1 :]]
        beside = _enter(Nested(index, lane, 0, begin, end), spans, children, nested)
        outermost += reversed(beside)
    return nested


def _enter(top: Nested, spans: Sequence[Span], children: dict[int, list[int]], nested: list[Nested]) -> list[int]:
    """`top` and all in it, but for what ran beside an elder sister, which is returned; without recursion, since imports
    can be deeper than the interpreter's stack."""
    beside: list[int] = []
    waiting = [top]
    while waiting:
        at = waiting.pop()
        nested.append(at)
        inner: list[Nested] = []
        earliest = at.begin
        for index in children.get(at.index, ()):
            if inner and spans[index][0] < earliest - ROUNDING_MS:
                beside.append(index)
                continue
            begin, end = _within(*spans[index], earliest, at.end)
            inner.append(Nested(index, at.lane, at.depth + 1, begin, end))
            earliest = end
        waiting += reversed(inner)
    return beside


def _within(begin: float, end: float, earliest: float, latest: float) -> Span:
    begin = min(max(begin, earliest), latest)
    return begin, min(max(end, begin), latest)


def _sound(parents: Sequence[int]) -> list[int]:
    """The same without circles, and without parents that are not there."""
    sound: list[int] = []
    for index, parent in enumerate(parents):
        around = parent
        for _ in parents:
            if not 0 <= around < len(parents) or around == index:
                break
            around = parents[around]
        ends = 0 <= parent < len(parents) and not 0 <= around < len(parents)
        sound.append(parent if ends else -1)
    return sound
