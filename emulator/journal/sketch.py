"""Counts of durations in buckets that grow with the value: percentiles with a known error, which can be added up."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

# The buckets of an HDR histogram: each power of two is divided into so many, of equal width. They are the upper bits of
# a value as the machine has it, which costs less than a logarithm.
PARTS = 64
_SHIFT = 52 - 6
_EXPONENT_BIAS = 1023
# How far a percentile may be from the true one, as a share of it: half a bucket at the lower end of a power of two.
RELATIVE_ERROR = 1 / (2 * PARTS)
# Less than a microsecond is one.
LEAST = 0.001
# So many values are waited for, since counting them together costs a tenth of counting each.
TOGETHER = 4096


class Sketch:
    """Values in milliseconds. A percentile is within `RELATIVE_ERROR` (0.8 %) of the value of that rank; count, sum,
    least and most are exact, and so is how many are at most a power of two. At most 1800 buckets hold what is between
    1 µs and a day."""

    __slots__ = ("_counts", "_least", "_most", "_total", "_waiting")

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._total = 0.0
        self._least = math.inf
        self._most = 0.0
        self._waiting: list[float] = []

    def add(self, values: Iterable[float]) -> None:
        self._waiting += values
        if len(self._waiting) >= TOGETHER:
            self._count()

    def _count(self) -> None:
        values = self._waiting
        if not values:
            return
        self._waiting = []
        self._total += math.fsum(values)
        self._least = min(self._least, *values, math.inf)
        self._most = max(self._most, *values, 0.0)
        if self._least < LEAST:
            values = [max(value, LEAST) for value in values]
        # A border belongs to the bucket below it, as in Prometheus.
        self._counts.update([(bits - 1) >> _SHIFT for bits in memoryview(array("d", values)).cast("B").cast("q")])

    def merge(self, other: Sketch) -> None:
        """As if all that `other` was given had been added here."""
        self._count()
        other._count()
        self._counts.update(other._counts)
        self._total += other._total
        self._least = min(self._least, other._least)
        self._most = max(self._most, other._most)

    @property
    def count(self) -> int:
        self._count()
        return self._counts.total()

    @property
    def total(self) -> float:
        self._count()
        return self._total

    @property
    def most(self) -> float:
        self._count()
        return self._most

    @property
    def mean(self) -> float:
        return self.total / (self.count or 1)

    def percentile(self, share: float) -> float:
        """The value of rank `share` (0 to 1) of all, rounded up to a whole rank; 0 where there are none."""
        rank = max(1, math.ceil(share * self.count))
        seen = 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= rank:
                return min(max(_middle(bucket), self._least), self._most)
        return 0.0

    def up_to(self, doublings: Sequence[int]) -> list[int]:
        """How many values are at most 2 to the power of each of `doublings`, in ms; exact."""
        self._count()
        borders = [(it + _EXPONENT_BIAS) * PARTS for it in doublings]
        return [sum(count for bucket, count in self._counts.items() if bucket < border) for border in borders]


def _middle(bucket: int) -> float:
    exponent, part = divmod(bucket, PARTS)
    return math.ldexp(1 + (part + 0.5) / PARTS, exponent - _EXPONENT_BIAS)
