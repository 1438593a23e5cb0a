"""Edits of all kinds, in a process that keeps and in one that starts anew: both must hold the same afterwards."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import keep_more_scenarios  # noqa: F401 - adds to SCENARIOS
import pytest
from bootstrap_harness import HERE, Version, dotted
from keep_edits import random_case
from keep_scenarios import REFUSED, SCENARIOS
from test_bootstraps import pythons

HOME = HERE.parents[2] / "runtimes" / "python"
OLDEST, NEWEST = (3, 8), (3, 14)
PYTHONS = {version: path for version, path in sorted(pythons().items()) if OLDEST <= version < NEWEST}
RANDOM_EDITS = 20

every_python = pytest.mark.parametrize("version", PYTHONS, ids=dotted)


def run(version: Version, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [str(PYTHONS[version]), str(HERE / "keep_cases.py"), str(HOME)],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=240,
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(cases), done.stderr
    return results


def case_of(name: str) -> dict[str, Any]:
    files, edit, _, more = SCENARIOS[name]
    after = {file: text for file, text in {**files, **edit}.items() if text is not None}
    return {"before": files, "after": after, **more}


@every_python
def test_an_edit_gives_what_a_cold_start_gives(version: Version) -> None:
    results = run(version, [case_of(name) for name in SCENARIOS])
    for name, result in zip(SCENARIOS, results, strict=True):
        expected, kept = SCENARIOS[name][2], result["kept"]
        if "refused" in kept:
            assert expected in (REFUSED, None), f"{name}: {kept['refused']}"
            assert "could not be applied" not in kept["refused"], name
            continue
        assert expected != REFUSED, name
        if "keep" in SCENARIOS[name][3]:
            # Who names what to keep takes what other statements do to it.
            assert kept["seen"]["answer"] == result["cold"]["answer"], name
        else:
            assert kept["seen"] == result["cold"], name
        if expected:
            assert set(expected) <= set(kept["patched"]["kept"]), f"{name}: {kept['patched']}"
            held = {f"{module}.{it}" for it in expected for module in kept["seen"]["globals"]}
            assert held & set(kept["same"]), name


@pytest.mark.parametrize("others", [(), ("traced",), ("traced", "profiled")], ids=["alone", "traced", "profiled"])
@every_python
def test_random_edits_give_what_a_cold_start_gives_or_are_refused(version: Version, others: tuple[str, ...]) -> None:
    """Where others trace and profile, Python before 3.12 can not be watched: what ran is guessed from its names."""
    if others and version >= (3, 12):
        pytest.skip("nobody gets in our way there")
    seeds = range(version[1] * 1000, version[1] * 1000 + RANDOM_EDITS)
    cases = [{**random_case(seed), **dict.fromkeys(others, True)} for seed in seeds]
    kept = 0
    for seed, result in zip(seeds, run(version, cases), strict=True):
        found, cold = result["kept"], result["cold"]
        if "refused" in found:
            assert "could not be applied" not in found["refused"], seed
        elif "died" not in found:
            assert found["seen"] == cold, seed
            kept += bool(found["patched"]["kept"])
    assert kept > RANDOM_EDITS / 5


REASONS = {
    "env removed": "changes the environment",
    "handler removed": "changes logging",
    "deleted file still imported": "the module helpers is gone and still imported",
    "suspended generator": "gen, which was edited, is suspended in the middle",
    "raises": "fails with ZeroDivisionError",
    "syntax": "index.py:",
}


@every_python
def test_a_refusal_says_why(version: Version) -> None:
    for (name, reason), result in zip(REASONS.items(), run(version, [case_of(name) for name in REASONS]), strict=True):
        assert reason in result["kept"]["refused"], name


def test_data_that_was_read_is_part_of_what_was_made(tmp_path: Path) -> None:
    """Also where only a request read it: what was made of it then is kept as well."""
    case = {
        "before": {
            "index.py": "import os\ndef handler(e, c):\n    return open(os.path.dirname(__file__) + '/a.md').read()\n"
        },
        "after": {},
    }
    case["before"]["a.md"] = "first"
    case["after"] = {**case["before"], "a.md": "second"}
    refused = run(max(PYTHONS), [{**case, "data": ["a.md"]}, {**case, "data": ["b.md"]}])
    assert refused[0]["kept"]["refused"] == "a.md, which the code has read, has changed"
    assert "refused" not in refused[1]["kept"]
