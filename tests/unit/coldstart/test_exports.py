"""Exports: valid by what their readers' documents say, for whatever was measured."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.coldstart.report.chrome_trace import chrome_trace
from emulator.coldstart.report.speedscope import speedscope
from emulator.model.coldstart import ColdStart, FileRead, Import, Phase
from tests.support.coldstarts import cold_start, several

SCHEMA = json.loads((Path(__file__).parent / "speedscope" / "file-format-schema.json").read_text())

times = st.floats(0, 5000, allow_nan=False)
names = st.text(min_size=1, max_size=5)


@st.composite
def measured(draw: st.DrawFn) -> ColdStart:
    """Whatever could come, also what could not be: times that overlap, parents that come later."""
    parents = st.integers(-1, 7)
    return ColdStart(
        function=draw(names),
        instance_id="c-1",
        revision=1,
        start="spawned",
        total_ms=draw(times),
        phases=tuple(draw(st.lists(st.builds(Phase, names, times, times, parents), max_size=8))),
        imports=tuple(draw(st.lists(st.builds(Import, names, times, times, times, parents, names), max_size=8))),
        reads=tuple(
            draw(st.lists(st.builds(FileRead, names, *[st.integers(0, 9)] * 4, times, times, st.none()), max_size=4))
        ),
    )


# --- Chrome's trace event format ---


def slices(trace: bytes) -> list[dict]:
    return [event for event in json.loads(trace)["traceEvents"] if event["ph"] == "X"]


@settings(max_examples=40)
@given(st.lists(measured(), max_size=3))
def test_slices_of_one_track_nest_and_have_whole_times(runs):
    tracks: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for event in slices(chrome_trace(runs)):
        assert isinstance(event["ts"], int) and isinstance(event["dur"], int) and event["dur"] >= 0
        tracks.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
    for found in tracks.values():
        opened: list[tuple[int, int]] = []
        for begin, end in found:
            while opened and opened[-1][1] <= begin and (begin, end) != opened[-1]:
                opened.pop()
            assert not opened or end <= opened[-1][1] or opened[-1][1] <= begin
            opened.append((begin, end))


@settings(max_examples=40)
@given(measured())
def test_nothing_is_left_out_of_a_trace(run):
    found = slices(chrome_trace([run]))
    assert len(found) == len(run.phases) + len(run.imports) + len(run.reads)


def test_a_trace_names_its_processes_and_tracks():
    trace = json.loads(chrome_trace(several()))
    assert trace["displayTimeUnit"] == "ms"
    told = [(it["pid"], it["tid"], it["args"]["name"]) for it in trace["traceEvents"] if it["name"].endswith("_name")]
    assert told[:4] == [
        (1, 0, "detect cold start 1"),
        (1, 1, "phases"),
        (1, 1000, "imports"),
        (1, 2000, "reads"),
    ]
    assert {pid for pid, _, _ in told} == {1, 2, 3, 4, 5}
    numpy = next(it for it in slices(chrome_trace([cold_start()])) if it["name"] == "numpy")
    assert (numpy["ts"], numpy["dur"], numpy["args"]["self_ms"]) == (395_000, 120_000, 80.0)


# --- speedscope ---


@settings(max_examples=40)
@given(st.lists(measured(), max_size=3))
def test_a_profile_is_valid_and_its_events_are_brackets_in_order(runs):
    profile = json.loads(speedscope(runs, "fclocal 0"))
    jsonschema.validate(profile, SCHEMA)
    for found in profile["profiles"]:
        opened: list[int] = []
        now = found["startValue"]
        for event in found["events"]:
            assert event["at"] >= now
            now = event["at"]
            if event["type"] == "O":
                opened.append(event["frame"])
            else:
                assert opened.pop() == event["frame"]
        assert not opened and now == found["endValue"]


def test_a_profile_opens_with_the_typical_run():
    profile = json.loads(speedscope(several(), "fclocal 0.1", typical=2))
    assert profile["profiles"][profile["activeProfileIndex"]]["name"] == "detect cold start 3"
    assert profile["shared"]["frames"][0] == {"name": "index", "file": "/code/index.py"}


def test_the_schema_refuses_what_is_none():
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(speedscope([], "x")), "profiles": [{"type": "other"}]}, SCHEMA)
