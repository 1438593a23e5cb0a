"""What a few noisy times can tell: nothing of the same code, and a tenth more where it is there."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from emulator.coldstart.compare import WANTED_HALF_WIDTH
from emulator.coldstart.statistics import (
    Interval,
    Verdict,
    change,
    difference,
    middle,
    paired_change,
    paired_difference,
    percentile,
    verdict,
)

ROUNDS, MOST = 20, 100
TRIALS = 20


def steady(chance: random.Random) -> Callable[[], float]:
    return lambda: math.exp(chance.gauss(0, 0.05))


def restless(chance: random.Random) -> Callable[[], float]:
    return lambda: math.exp(chance.gauss(0, 0.1))


def with_outliers(chance: random.Random) -> Callable[[], float]:
    """Every eighth run is disturbed by something else."""
    return lambda: math.exp(chance.gauss(0, 0.05)) * (chance.uniform(1.2, 2) if chance.random() < 0.12 else 1)


def in_two_gears(chance: random.Random) -> Callable[[], float]:
    """The processor is slower now and then."""
    return lambda: math.exp(chance.gauss(0, 0.03)) * (1.15 if chance.random() < 0.4 else 1)


def skewed(chance: random.Random) -> Callable[[], float]:
    return lambda: 1 + chance.expovariate(10)


NOISES = (steady, restless, with_outliers, in_two_gears, skewed)


def measured(noise, chance: random.Random, more: float) -> tuple[list[float], list[float]]:
    """As a comparison measures: rounds until the interval is narrow, on a machine that also gets slower and faster by
    a third meanwhile."""
    one, at, base, new = noise(chance), 0.0, [], []
    while len(base) < ROUNDS or (len(base) < MOST and paired_change(base, new, 1).half_width > WANTED_HALF_WIDTH):
        for _ in range(10):
            at = max(-0.3, min(0.3, at + chance.gauss(0, 0.03)))
            base.append(150 * math.exp(at) * one())
            new.append(150 * math.exp(at) * one() * (1 + more))
    return base, new


def verdicts(noise, more: float) -> list[Verdict]:
    return [
        verdict(paired_change(*measured(noise, random.Random(f"{noise.__name__}{seed}"), more), seed))
        for seed in range(TRIALS)
    ]


@pytest.mark.parametrize("noise", NOISES)
def test_the_same_code_is_never_called_different(noise):
    assert verdicts(noise, 0.0) == [Verdict.SAME] * TRIALS


@pytest.mark.parametrize("noise", NOISES)
def test_a_tenth_more_is_found_in_18_of_20(noise):
    found = verdicts(noise, 0.10)
    assert found.count(Verdict.SLOWER) >= 18 and Verdict.FASTER not in found


def test_what_is_faster_is_told_by_its_sign():
    base = [100.0 + n % 3 for n in range(20)]
    found = paired_change(base, [value * 0.8 for value in base], 0)
    assert verdict(found) is Verdict.FASTER
    assert found.estimate == pytest.approx(-0.2) and found.low <= found.estimate <= found.high


def test_pairs_take_out_what_both_sides_have_in_a_round():
    rounds = [100.0, 300.0, 150.0, 400.0, 120.0, 220.0]
    base, new = rounds, [value * 1.05 for value in rounds]
    assert paired_change(base, new, 0).half_width == pytest.approx(0, abs=1e-9)
    assert change(base, new, 0).half_width > 0.2


def test_differences_are_in_the_unit_of_the_values():
    base, new = [0.0] * 6, [200.0, 201, 199, 200, 202, 198]
    assert paired_difference(base, new, 0).estimate == pytest.approx(200, abs=1)
    assert difference(base, new, 0).low > 190


def test_the_same_seed_gives_the_same_interval():
    values = [100.0, 130, 90, 105, 99, 111], [104.0, 101, 88, 120, 97, 100]
    assert change(*values, 7) == change(*values, 7)
    assert change(*values, 7) != change(*values, 8)


def test_nothing_is_said_of_nothing():
    assert paired_change([], [], 0) == Interval(0.0, 0.0, 0.0)
    assert change([], [1.0], 0) == Interval(0.0, 0.0, 0.0)
    assert percentile([], 0.5) == 0.0


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.5, 2.5), (0.95, 3.85), (1.0, 4.0)])
def test_percentiles_lie_between_values(share, expected):
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == pytest.approx(expected)


def test_an_outlier_does_not_move_the_middle():
    assert middle([1.0, 2.0, 3.0, 1000.0]) == middle([1.0, 2.0, 3.0, 4.0]) == 2.5
    assert middle([5.0, 1.0, 900.0]) == 5.0
