"""Conditions of a scenario: what can be written, and what is said of one that does not hold."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.model.durations import read_duration, show_duration
from emulator.model.function import Place
from emulator.scenario.figures import Figures
from emulator.scenario.judge import METRICS, judge, read_conditions

HERE = Place("scenario.yaml", 7)


def verdict(text: str, figures: Figures):
    [condition] = read_conditions(text, HERE)
    return judge(condition, figures)


FIGURES = Figures(
    calls=20,
    errors=1,
    rejected=1,
    invocations=19,
    cold_starts=4,
    instances=2,
    peak_instances=5,
    memory_mb=300.0,
    statuses=Counter({200: 19, 429: 1}),
    seconds=[(0.1, False)] * 16 + [(2.4, True)] * 4,
)


@pytest.mark.parametrize(
    ("text", "ok", "measured", "off"),
    [
        ("cold_starts <= 4", True, "4", ""),
        ("cold_starts <= 3", False, "4", "1 too many"),
        ("cold_starts > 5", False, "4", "1 too few"),
        ("cold_starts != 4", False, "4", "which it must not be"),
        ("instances = 2", True, "2", ""),
        ("p95 < 2 s", False, "2.4 s", "400 ms too much"),
        ("p80 < 2s", True, "100 ms", ""),
        ("warm_p95 <= 100ms", True, "100 ms", ""),
        ("cold_p50 >= 3 s", False, "2.4 s", "600 ms too little"),
        ("max < 1h", True, "2.4 s", ""),
        ("mean == 560 ms", True, "560 ms", ""),
        ("error_rate <= 5 %", True, "5 %", ""),
        ("error_rate < 0.04", False, "5 %", "1 % too much"),
        ("memory < 0.25 GB", False, "300 MB", "44 MB too much"),
        ("status == 200", False, "19 × 200, 1 × 429", "1 of 20 were not"),
        ("status < 500", True, "19 × 200, 1 × 429", ""),
    ],
)
def test_a_condition_is_judged_and_said_by_how_much(text, ok, measured, off):
    found = verdict(text, FIGURES)
    assert (found.ok, found.measured, found.off, found.place) == (ok, measured, off, "scenario.yaml:7")


@pytest.mark.parametrize("text", ["p95 < 2 s", "status == 200", "error_rate < 5 %", "cold_p95 < 1 s"])
def test_what_nothing_was_measured_of_does_not_hold(text):
    assert not verdict(text, Figures()).ok


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p95 < 2", "unit"),
        ("p95 < 2 parsecs", "no duration"),
        ("p95", "no condition"),
        ("latency < 2 s", "latency"),
        ("cold_starts <= 3 s", "unit"),
        ("memory < 300", "MB"),
        ("__import__('os') == 1", "no condition"),
        ("p95 < 2 s or p50 < 1 s", "no duration"),
        ("cold_starts <= -1", "no condition"),
        ("", "no condition"),
    ],
)
def test_what_is_no_condition_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        read_conditions(text, HERE)


def test_several_are_joined_by_and_and_may_be_about_one_function():
    first, second = read_conditions("p95 < 2 s and cold_starts(shop$cart) <= 3", HERE)
    assert (first.metric, first.function, first.value) == ("p95", "", 2.0)
    assert (second.metric, second.function, second.value) == ("cold_starts", "shop$cart", 3.0)


@given(st.text(max_size=60))
def test_no_text_does_more_than_fail(text):
    try:
        for condition in read_conditions(text, HERE):
            judge(condition, FIGURES)
    except ValueError:
        pass


def test_every_measure_can_be_asked_for():
    units = {"TIME": "1 s", "SIZE": "1 MB", "SHARE": "1 %"}
    for name, (kind, _) in METRICS.items():
        assert verdict(f"{name} >= {units.get(kind.name, '1')}", FIGURES).measured


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("6m", 360), ("6 min", 360), ("1h30m", 5400), ("1.5h", 5400), ("2 d", 172800)],
)
def test_durations(text, seconds):
    assert read_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "6", "m", "6x", "6 minutes", "-6m", "1e3s", "400d", "6m nonsense"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match=r"."):
        read_duration(text)


@given(st.integers(0, 365 * 86_400))
def test_a_duration_is_read_as_it_is_shown(seconds):
    if seconds >= 1:
        assert read_duration(show_duration(seconds)) == seconds
