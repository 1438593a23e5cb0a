"""Holes between the objects of a template are filled before it is forked, on every Python 3."""

from __future__ import annotations

import json
import subprocess

import pytest
from bootstrap_harness import SPAWNED, Target
from test_python_control import PYTHONS

from tests.support.command import ROOT

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import asyncio, json
from _fclocal_bootstrap import holes

def free():
    return sum(size * count for size, count in holes.holes())

free()
before = free()
kept = holes.fill()
after = free()
sys.stderr.write("still there")
print(json.dumps([before, after, len(kept)]))
"""


@pytest.mark.parametrize("target", [it for it in PYTHONS if it.start == SPAWNED and it.version[0] == 3], ids=str)
def test_few_holes_are_left(target: Target) -> None:
    command = [str(target.interpreter), "-B", "-c", SCRIPT, str(ROOT / "runtimes" / "python")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    before, after, count = json.loads(done.stdout)
    assert before > 10_000 and count > 100
    # Telling takes some small objects itself, for which a page may be begun.
    assert after < before / 2
    assert done.stderr == "still there"


def test_where_the_allocator_is_another_one_nothing_is_filled() -> None:
    target = next(it for it in PYTHONS if it.start == SPAWNED and it.version >= (3, 6))
    command = [str(target.interpreter), "-B", "-c", SCRIPT, str(ROOT / "runtimes" / "python")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PYTHONMALLOC": "malloc"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [0, 0, 0]
