"""Percentiles by buckets: how far they are from the true ones, and that they can be added up."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.journal.sketch import RELATIVE_ERROR, TOGETHER, Sketch

durations = st.floats(min_value=0.001, max_value=86_400_000)
shares = st.floats(min_value=0, max_value=1)


def of(values: list[float]) -> Sketch:
    sketch = Sketch()
    sketch.add(values)
    return sketch


def true(values: list[float], share: float) -> float:
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


@given(st.lists(durations, min_size=1, max_size=200), shares)
def test_a_percentile_is_as_near_as_is_said(values, share):
    expected = true(values, share)
    assert of(values).percentile(share) == pytest.approx(expected, rel=RELATIVE_ERROR)


@given(st.lists(durations, max_size=100), st.lists(durations, max_size=100), shares)
def test_two_that_are_merged_are_as_one(some, others, share):
    merged, whole = of(some), of(some + others)
    merged.merge(of(others))
    assert merged.percentile(share) == whole.percentile(share)
    assert (merged.count, merged.most) == (whole.count, whole.most)
    assert merged.total == pytest.approx(math.fsum(some + others))


@given(st.lists(st.one_of(durations, st.sampled_from([1.0, 2.0, 4.0, 1024.0])), max_size=100))
def test_what_is_at_most_a_power_of_two_is_counted_exactly(values):
    found = of(values).up_to(range(21))
    assert found == [sum(value <= 2**doubling for value in values) for doubling in range(21)]


def test_nothing_has_no_percentile():
    assert (Sketch().percentile(0.5), Sketch().mean, Sketch().most) == (0.0, 0.0, 0.0)


def test_values_that_no_clock_shows_are_a_microsecond():
    assert of([0.0, -1.0]).up_to([0]) == [2]


def test_many_are_counted_before_anybody_asks():
    sketch = Sketch()
    for _ in range(3):
        sketch.add([1.5] * TOGETHER)
    assert sketch.count == 3 * TOGETHER
