"""Scenario files: what each step becomes, and every mistake with its line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.model.errors import ConfigError
from emulator.scenario.load import gaps
from emulator.scenario.read import read_scenario
from emulator.scenario.steps import (
    Alias,
    Calls,
    Check,
    Cold,
    Idle,
    Parallel,
    Publish,
    Reclaim,
    Redeploy,
    Repeat,
    Target,
)

FUNCTIONS = ["hello", "shop$cart"]


def read(tmp_path: Path, text: str, functions=FUNCTIONS):
    file = tmp_path / "it.yaml"
    file.write_text(text)
    return read_scenario(file, "it.yaml", functions)


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    return str(caught.value)


def test_every_step_is_what_it_says(tmp_path):
    (tmp_path / "event.json").write_bytes(b"\xff of a file")
    scenario = read(
        tmp_path,
        """
function: hello
event: {a: 1}
seed: 5
steps:
  - cold
  - calls: {n: 20, rate: 5/s poisson, concurrency: 3}
    assert: [cold_starts <= 3, p95 < 2 s]
  - calls: {rate: 30/m, for: 2m, function: cart, event_file: event.json, qualifier: prod, async: true}
  - burst: {n: 50, path: /x, method: post, headers: {Accept: a}, timeout: 5s}
  - idle: 6m
  - reclaim: hello
  - redeploy:
  - publish: cart
  - alias: {name: prod, to: 2, weights: {"1": 0.1}}
  - repeat:
      times: 2
      steps: [calls: 1]
  - parallel:
      - calls: 1
      - - cold
        - burst: 2
  - assert: errors == 0
assert: instances(cart) == 1
""",
    )
    hello = Target("hello", b'{"a": 1}')
    actions = [step.action for step in scenario.steps]
    assert actions[:2] == [Cold(), Calls(hello, 20, 0.2, True, 3)]
    cart = Target("shop$cart", b"\xff of a file", "prod", True)
    assert actions[2] == Calls(cart, 60, 2.0, False, 0)
    http = Target("hello", b'{"a": 1}', path="/x", method="POST", headers=(("Accept", "a"),), timeout=5.0)
    assert actions[3] == Calls(http, 50, concurrency=0)
    assert actions[4:7] == [Idle(360.0), Reclaim("hello"), Redeploy()]
    assert actions[7:9] == [Publish("shop$cart"), Alias("hello", "prod", "2", (("1", 0.1),))]
    once = Calls(hello, 1)
    assert isinstance(actions[9], Repeat) and [step.action for step in actions[9].steps] == [once]
    assert isinstance(actions[10], Parallel)
    assert [[step.action for step in it] for it in actions[10].branches] == [
        [once],
        [Cold(), Calls(hello, 2, concurrency=0)],
    ]
    assert actions[11] == Check() and scenario.seed == 5
    assert [it.text for it in scenario.steps[1].conditions] == ["cold_starts <= 3", "p95 < 2 s"]
    assert scenario.steps[1].place.line == 7
    [last] = scenario.conditions
    assert (last.metric, last.function) == ("instances", "shop$cart")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("- clod", "did you mean cold"),
        ("- calls: 0", "whole number"),
        ("- calls: {n: 3, rat: 5/s}", "did you mean rate"),
        ("- calls: {n: 3, rate: fast}", "5/s"),
        ("- calls: {n: 3, rate: 0/s}", "5/s"),
        ("- calls: {rate: 5/s}", "`n` is missing"),
        ("- calls: {n: 3, for: 5s}", "`for` goes with `rate`"),
        ("- calls: {n: 3, function: helo}", "did you mean hello"),
        ("- calls: {n: 3, event: 1, event_file: x}", "exclude"),
        ("- calls: {n: 3, event_file: nowhere}", "can not be read"),
        ("- calls: {n: 3, async: maybe}", "true or false"),
        ("- calls: {n: 3, method: FETCH}", "FETCH"),
        ("- burst: {n: 3, rate: 5/s}", "no `rate`"),
        ("- calls: {n: 3, path: /, qualifier: prod}", "without an HTTP trigger"),
        ("- calls: {n: 3, timeout: 0s}", "can not be 0"),
        ("- {calls: 1, asert: errors == 0}", "there is no step `asert`\n  → did you mean assert"),
        ("- assert: cold_start < 2", "did you mean cold_starts"),
        ("- assert: error_rate < 5 kg", "5 % or 0.05"),
        ("- idle: 6", "unit"),
        ("- idle", "needs a duration"),
        ("- repeat: {times: 0, steps: [cold]}", "whole number"),
        ("- repeat: {times: 2}", "list of steps"),
        ("- parallel: cold", "list of branches"),
        ("- alias: {name: prod}", "needs `to`"),
        ("- alias: {name: prod, to: 1, weights: {'2': 3}}", "0 to 1"),
        ("- {cold: , calls: 1}", "more than one action"),
        ("- {}", "no action"),
        ("- [cold]", "not a list"),
        ("- assert: p95 < 2", "unit"),
        ("- assert: [[p95]]", "one line"),
        ("- assert: p95(nobody) < 2 s", "nobody"),
        ("- !!python/object/apply:os.system ['true']", ""),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, line, said):
    text = refused(tmp_path, f"function: hello\nsteps:\n  - cold\n  {line}\n")
    assert text.startswith("it.yaml:4") and said in text, text


def test_all_mistakes_are_told_at_once(tmp_path):
    text = refused(tmp_path, "sed: 1\nfunction: hello\nsteps:\n  - clod\n  - idle: 6\nassert: nothing\n")
    assert [f"it.yaml:{line}: " in text for line in (1, 4, 5, 6)] == [True] * 4


def test_without_a_function_the_only_one_is_meant(tmp_path):
    assert read(tmp_path, "steps: [calls: 1]", ["only"]).steps[0].action == Calls(Target("only"), 1)
    assert "which function?" in refused(tmp_path, "steps: [calls: 1]")


def test_each_mistake_has_its_own_next_step(tmp_path):
    text = refused(tmp_path, "steps:\n  - clod\n  - idel: 6m\n")
    assert text.splitlines() == [
        "it.yaml:2: there is no step `clod`",
        "  → did you mean cold?",
        "it.yaml:3: there is no step `idel`",
        "  → did you mean idle?",
    ]


def test_a_folder_is_no_scenario(tmp_path):
    with pytest.raises(ConfigError, match="a folder, not a scenario"):
        read_scenario(tmp_path, "here", FUNCTIONS)


@pytest.mark.parametrize("text", ["", "[]", "steps:", "steps: []", "x"])
def test_a_file_that_is_no_scenario(tmp_path, text):
    assert refused(tmp_path, text).startswith("it.yaml")


@given(st.integers(1, 300), st.integers(0, 2**32))
def test_a_poisson_process_is_the_same_for_the_same_seed_and_as_quick_as_it_should_be(n, seed):
    calls = Calls(Target("hello"), n, 0.5, poisson=True)
    first, again = (gaps(calls, random.Random(seed)) for _ in range(2))
    assert first == again and len(first) == n and first[0] == 0.0
    assert all(gap > 0 for gap in first[1:])
    assert gaps(Calls(Target("hello"), n, 0.5), random.Random(seed)) == [0.0, *[0.5] * (n - 1)]
    assert gaps(Calls(Target("hello"), n), random.Random(seed)) == [0.0] * n
