"""Whether two series of noisy times differ, and by how much (pure; docs/coldstart.md says why it is done so)."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from enum import StrEnum

from msgspec import Struct

RESAMPLES = 1000
CONFIDENCE = 0.95
# Below this a difference does not matter to anybody, and a machine with other work makes as much of it by itself.
RELEVANT = 0.03

Series = Sequence[float]


class Interval(Struct, frozen=True):
    """An estimate, and where it lies with a confidence of 95 %."""

    estimate: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


class Verdict(StrEnum):
    SAME = "same"
    SLOWER = "slower"
    FASTER = "faster"
    TOO_FEW = "too_few"


def percentile(values: Series, share: float) -> float:
    """Between the two values around the place of `share` (0 to 1), as most tools do. 0 of none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def median(values: Series) -> float:
    return percentile(values, 0.5)


def middle(values: Series) -> float:
    """The mean of the middle half: outliers do not move it, and it moves less by chance than the median. Of few values
    it is their median."""
    if len(values) < 4:
        return median(values)
    ordered = sorted(values)
    cut = len(ordered) // 4
    return statistics.fmean(ordered[cut : len(ordered) - cut])


def paired_change(base: Series, new: Series, seed: int) -> Interval:
    """How much `new` takes more, as a share of `base` (0.1: a tenth more). Both were measured round by round, so that
    what the machine did in a round is in both of them, and falls out of their ratio."""
    logs = [math.log(b / a) for a, b in zip(base, new, strict=True) if a > 0 and b > 0]
    found = _bootstrapped([logs], lambda drawn: middle(drawn[0]), seed)
    return Interval(math.expm1(found.estimate), math.expm1(found.low), math.expm1(found.high))


def change(base: Series, new: Series, seed: int) -> Interval:
    """As `paired_change` for series that were measured at different times."""
    logs = [[math.log(value) for value in series if value > 0] for series in (base, new)]
    found = _bootstrapped(logs, lambda drawn: middle(drawn[1]) - middle(drawn[0]), seed)
    return Interval(math.expm1(found.estimate), math.expm1(found.low), math.expm1(found.high))


def paired_difference(base: Series, new: Series, seed: int) -> Interval:
    """How much `new` takes more, in its own unit; for parts of the whole, which may be nothing."""
    differences = [b - a for a, b in zip(base, new, strict=True)]
    return _bootstrapped([differences], lambda drawn: middle(drawn[0]), seed)


def difference(base: Series, new: Series, seed: int) -> Interval:
    """As `paired_difference` for series that were measured at different times."""
    return _bootstrapped([base, new], lambda drawn: middle(drawn[1]) - middle(drawn[0]), seed)


def verdict(found: Interval) -> Verdict:
    """A difference counts where the whole interval lies beyond what matters: by the same code, one in a thousand
    comparisons or fewer gets that far, since noise would have to be both in one direction and small."""
    if found.low > RELEVANT:
        return Verdict.SLOWER
    if found.high < -RELEVANT:
        return Verdict.FASTER
    return Verdict.SAME


def _bootstrapped(series: Sequence[Series], estimate: Callable[[Sequence[Series]], float], seed: int) -> Interval:
    """The percentile bootstrap: what the estimate would have been if other runs of the same kind had been measured."""
    if not all(series):
        return Interval(0.0, 0.0, 0.0)
    chance = random.Random(seed)  # noqa: S311 - the same answer for the same numbers, no secret
    drawn = sorted(estimate([chance.choices(one, k=len(one)) for one in series]) for _ in range(RESAMPLES))
    outside = (1 - CONFIDENCE) / 2
    return Interval(estimate(series), percentile(drawn, outside), percentile(drawn, 1 - outside))
