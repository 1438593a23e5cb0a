"""`fclocal coldstart` over functions that start slowly for reasons that were planted: each is named, with its time.

What was planted is a lower bound here: a busy machine makes it longer. `make proof-planted` holds it to a tenth.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from bench.pandas_standin import PANDAS_MS, pandas_standin
from tests.support.command import ROOT, Workshop
from tests.support.samples import build

CAUSES = [
    ("slow-import", "top_level", "greetings", 300),
    ("reads-twice", "read_again", "model.bin", 0),
    ("slow-initializer", "initializer", "initializer", 200),
    ("unused-pandas", "unused", "pandas", PANDAS_MS),
]


@pytest.fixture(scope="module")
def causes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """The sample, built, with a stand-in for pandas."""
    folder = tmp_path_factory.mktemp("causes")
    shutil.copytree(
        ROOT / "samples" / "coldstart-causes", folder / "it", ignore=shutil.ignore_patterns("python", "model.bin")
    )
    sample = Workshop(folder / "it", env=pandas_standin(folder / "wheels"))
    build(sample)
    yield sample


def measured(sample: Workshop, *args: str) -> dict[str, Any]:
    done = sample.run("coldstart", *args, "-n", "1", "--no-warm-up", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("function", "kind", "subject", "planted_ms"), CAUSES, ids=[cause[0] for cause in CAUSES])
def test_the_cause_is_named_with_its_time(causes, function, kind, subject, planted_ms):
    found = measured(causes, function, "-e", "[1]")
    total = found["study"]["runs"][0]["total_ms"]
    item = next(it for it in found["advice"] if it["kind"] == kind)
    assert item["subject"].endswith(subject)
    assert planted_ms * 0.9 <= item["saving_ms"] <= total and item["saving_ms"] > 0
    assert item["command"].startswith(f"fclocal coldstart {function} ")


def test_files_for_others_are_written(causes):
    names = ("report.html", "trace.json", "profile.json")
    options = [word for pair in zip(("--html", "--trace", "--speedscope"), names, strict=True) for word in pair]
    done = causes.run("coldstart", "slow-import", "-n", "2", "--no-warm-up", *options)
    assert done.returncode == 0, done.stderr
    assert "1. greetings.py works for " in done.stdout
    page, trace, profile = ((causes.root / name).read_text(encoding="utf-8") for name in names)
    assert "Cold start of slow-import" in page and "greetings.py works for" in page
    assert {it["pid"] for it in json.loads(trace)["traceEvents"]} == {1, 2}
    assert "greetings" in {frame["name"] for frame in json.loads(profile)["shared"]["frames"]}


@pytest.mark.parametrize(("name", "words"), [("nowhere/a.html", "there is no folder for"), (".", "is a directory")])
def test_a_place_that_can_not_be_written_is_told_before_anything_is_measured(causes, name, words):
    done = causes.run("coldstart", "slow-import", "--html", name)
    assert done.returncode == 2 and words in done.stderr and not done.stdout
