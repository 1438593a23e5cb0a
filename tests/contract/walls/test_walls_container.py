"""Containers do what the protocol says: the scenarios of all walls, over a real Docker daemon."""

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
from walls_kinds import CONTAINER, EXCLUDED
from walls_scenario import Unusable
from walls_scenarios import SCENARIOS, play
from walls_users import run_scenario

from tests.support.engine import needs_engine

# What takes other rights than asking the engine does.
OF_THE_ENGINES_GROUP = (
    "a_frozen_instance_can_be_killed_and_stopped",
    "code_is_writable_and_the_host_untouched",
    "memory_over_the_limit_is_told_from_a_crash",
    "nothing_is_left_after_closing",
    "runs_one_more_command",
)
DOCKER = Path("/var/run/docker.sock")

pytestmark = [
    pytest.mark.isolation,
    needs_engine,
    pytest.mark.skipif(not Path(PYTHON).exists(), reason=f"{PYTHON} is missing"),
]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that an ordinary user can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="fclocal-test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="scenarios look into networks and control groups, which takes root")
@pytest.mark.parametrize("name", SCENARIOS)
def test_containers(name: str, place: Path) -> None:
    """On the event loop that the product runs on."""
    if reason := EXCLUDED.get((CONTAINER, name)):
        pytest.skip(reason)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(play(CONTAINER, name, place))
    except Unusable as absent:
        pytest.skip(str(absent))


@pytest.mark.parametrize("name", OF_THE_ENGINES_GROUP)
def test_containers_of_an_ordinary_user(name: str, place: Path) -> None:
    """Who may ask the engine and is not root: he can neither signal nor freeze what is inside, nor remove its files."""
    if not DOCKER.exists() or not DOCKER.stat().st_mode & 0o060 or DOCKER.stat().st_gid == 0:
        pytest.skip(f"no group may use {DOCKER}")
    os.chmod(place, 0o777)
    script = Path(__file__).with_name("walls_scenarios.py")
    run_scenario(script, [CONTAINER, name, str(place)], ordinary=True, group=DOCKER.stat().st_gid)
