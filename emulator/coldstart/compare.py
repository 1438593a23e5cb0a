"""Two studies of the same function: whether one is slower, by how much, and what of it grew (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from emulator.coldstart import measures
from emulator.coldstart.measures import Runs
from emulator.coldstart.statistics import (
    Interval,
    Series,
    Verdict,
    change,
    difference,
    median,
    paired_change,
    paired_difference,
    verdict,
)

# What is less than this, or than this share of the whole, explains nothing.
LEAST_MS = 1.0
LEAST_SHARE = 0.01
MOST_CAUSES = 5
# Of each side. Resampled fewer runs make an interval that is too narrow: chance alone would make differences.
ENOUGH_RUNS = 10
# With an interval of this half-width a difference of 10 % is found; rounds are added until it is that narrow.
WANTED_HALF_WIDTH = 0.03


class Part(Struct, frozen=True):
    """A phase or a package of the two: what it took (median, ms), and by how much more, with its interval in ms.
    `around` is the phase that it lies in, empty for none. `certain`: the difference is none of chance, and large enough
    to matter."""

    kind: str
    name: str
    around: str
    base_ms: float
    new_ms: float
    grew: Interval
    certain: bool


class Comparison(Struct, frozen=True):
    """`base` and `new` are what they are called. `paired`: they ran side by side, round by round. `grew` is by how much
    `new` takes more than `base`, as a share, in all the time that passes, and `grew_ms` in ms; `own` in the time that
    the instances themselves took, null where no kernel counts it; `cpu` in CPU time. The verdict is by `grew`, or where
    times scatter too much by `own`, which `by_own` says; it is `too_few` where a side has less than `ENOUGH_RUNS`, and
    then nothing is certain. `wide`: a difference of 10 % may hide all the same. `parts` lists what changed first."""

    base: str
    new: str
    paired: bool
    rounds: int
    base_ms: float
    new_ms: float
    grew: Interval
    grew_ms: Interval
    verdict: Verdict
    own: Interval | None
    by_own: bool
    cpu: Interval | None
    wide: bool
    parts: tuple[Part, ...]

    @property
    def counts(self) -> Interval:
        """That which the verdict is by."""
        return self.own if self.by_own and self.own is not None else self.grew


def compare(base: Runs, new: Runs, names: tuple[str, str], *, paired: bool, seed: int = 0) -> Comparison:
    """`names` are those of base and new. Paired ones have as many runs, in the order of the rounds."""
    judged = judge(base, new, paired=paired, seed=seed)
    computed = measures.cpu_times(base), measures.cpu_times(new)
    of_share = paired_change if paired else change
    rounds = min(len(base), len(new))
    enough = rounds >= ENOUGH_RUNS
    parts = _parts(base, new, paired=paired, enough=enough, seed=seed)
    return Comparison(
        *names,
        paired=paired,
        rounds=rounds,
        base_ms=median(measures.totals(base)),
        new_ms=median(measures.totals(new)),
        grew=judged.grew,
        grew_ms=(paired_difference if paired else difference)(measures.totals(base), measures.totals(new), seed),
        verdict=verdict(judged.counts) if enough else Verdict.TOO_FEW,
        own=judged.own,
        by_own=judged.counts is judged.own,
        cpu=of_share(*computed, seed) if all(map(all, computed)) else None,
        wide=not judged.is_narrow,
        parts=tuple(sorted(parts, key=_importance)),
    )


class Judged(Struct, frozen=True):
    """By how much one is slower, as in `Comparison`; `counts` is the one of both that the verdict is by."""

    grew: Interval
    own: Interval | None
    counts: Interval

    @property
    def is_narrow(self) -> bool:
        """Whether a difference of 10 % could not hide in it. Rounds may be added until it is, since that does not
        depend on what was found: who stops at the first difference finds one sooner or later."""
        return _is_narrow(self.counts)


def judge(base: Runs, new: Runs, *, paired: bool, seed: int) -> Judged:
    """What is chosen is chosen by how much it scatters, and never by what it says."""
    of_share = paired_change if paired else change
    grew = of_share(measures.totals(base), measures.totals(new), seed)
    times = measures.own_times(base), measures.own_times(new)
    if not all(map(all, times)):
        return Judged(grew, None, grew)
    own = of_share(*times, seed)
    # In ms: what others take makes the whole longer, and a difference a smaller share of it.
    by_all = _is_narrow(grew) or grew.half_width * median(measures.totals(base)) <= own.half_width * median(times[0])
    return Judged(grew, own, grew if by_all else own)


def _is_narrow(grew: Interval) -> bool:
    return grew.half_width <= WANTED_HALF_WIDTH


def _parts(base: Runs, new: Runs, *, paired: bool, enough: bool, seed: int) -> Iterator[Part]:
    whole = max(median(measures.totals(base)), median(measures.totals(new)))
    of_time = paired_difference if paired else difference
    least = max(LEAST_MS, LEAST_SHARE * whole)
    for kind, name, around, old, now in _series(base, new):
        grew = of_time(old, now, seed)
        certain = enough and abs(grew.estimate) >= least and (grew.low > 0 or grew.high < 0)
        yield Part(kind, name, around, median(old), median(now), grew, certain)


def _series(base: Runs, new: Runs) -> Iterator[tuple[str, str, str, Series, Series]]:
    """Kind, name, the phase around it, and what it took in each run."""
    around = {**measures.around(base), **measures.around(new)}
    for name, outer in around.items():
        yield "phase", name, outer, measures.phase_times(base, name), measures.phase_times(new, name)
    before, after = measures.package_times(base), measures.package_times(new)
    phase = "load" if "load" in around else "first_request"
    for name in dict.fromkeys([*before, *after]):
        old, now = list(before.get(name, [0.0] * len(base))), list(after.get(name, [0.0] * len(new)))
        if max(median(old), median(now)) >= LEAST_MS:
            yield "import", name, phase, old, now


def _importance(part: Part) -> tuple[bool, float]:
    return not part.certain, -abs(part.grew.estimate)


def causes(found: Comparison) -> list[Part]:
    """What explains the verdict, largest first: imports rather than the phase that they are loaded in, and no phase
    that is only around another one."""
    if found.verdict not in (Verdict.SLOWER, Verdict.FASTER):
        return []
    sign = 1 if found.verdict is Verdict.SLOWER else -1
    certain = [it for it in found.parts if it.certain and it.grew.estimate * sign > 0]
    named = [it for it in certain if not _is_explained(it, certain)]
    return named[:MOST_CAUSES]


def _is_explained(part: Part, others: Sequence[Part]) -> bool:
    """Whether what lies in it makes up most of what it takes more."""
    inside = [it.grew.estimate for it in others if it.around == part.name and part.kind == "phase"]
    return abs(sum(inside)) > abs(part.grew.estimate) / 2
