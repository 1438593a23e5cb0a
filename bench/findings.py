"""What a measure hands back: tables for people, goals with their verdicts, and figures for results.json."""

from __future__ import annotations

import operator
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

Figures = Mapping[str, object]


class Sense(Enum):
    """How a value is held against its limit."""

    AT_LEAST = "at least"
    AT_MOST = "at most"
    ABOVE = "above"

    def holds(self, value: float, limit: float) -> bool:
        compare = {Sense.AT_LEAST: operator.ge, Sense.AT_MOST: operator.le, Sense.ABOVE: operator.gt}
        return bool(compare[self](value, limit))


class Verdict(Enum):
    """What became of a goal."""

    PASS = "pass"
    MISS = "miss"
    UNMEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Goal:
    """What must be reached. Without a `value` it could not be measured, and `note` says why."""

    name: str
    text: str
    sense: Sense
    limit: float
    value: float | None
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        if self.value is None:
            return Verdict.UNMEASURED
        return Verdict.PASS if self.sense.holds(self.value, self.limit) else Verdict.MISS


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a title."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Findings:
    """All that one measure found."""

    tables: Sequence[Table] = ()
    goals: Sequence[Goal] = ()
    figures: Figures = field(default_factory=dict)


def median(values: Iterable[float]) -> float:
    """The median; 0 where there are no values."""
    listed = list(values)
    return statistics.median(listed) if listed else 0.0


def ratio(above: float, below: float) -> float:
    """`above / below`, and infinity over nothing: a peer that served no call is outdone by any that did."""
    return above / below if below else float("inf") if above else 0.0
