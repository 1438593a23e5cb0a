"""Instances in containers that were started ahead of time do what any other does (docs/zygote.md)."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop
from walls_box import PYTHON
from walls_kinds import CONTAINERS_AHEAD, EXCLUDED, OF_A_START
from walls_scenario import Unusable
from walls_scenarios import SCENARIOS, play

from tests.support.engine import needs_engine

pytestmark = [
    pytest.mark.isolation,
    needs_engine,
    pytest.mark.skipif(not Path(PYTHON).exists(), reason=f"{PYTHON} is missing"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts code in a container that runs"),
]


@pytest.fixture
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="fclocal-test-"))
    yield folder
    shutil.rmtree(folder)


PARKED, HELD = CONTAINERS_AHEAD
CASES = [*((PARKED, name) for name in SCENARIOS), *((HELD, name) for name in OF_A_START)]


@pytest.mark.parametrize(("walls", "name"), CASES)
def test_containers_ahead(walls: str, name: str, place: Path) -> None:
    """On the event loop that the product runs on."""
    if reason := EXCLUDED.get((walls, name)):
        pytest.skip(reason)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(play(walls, name, place))
    except Unusable as absent:
        pytest.skip(str(absent))
