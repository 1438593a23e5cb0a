"""Every rung that this machine has, for this user and for an ordinary one, does what the protocol says."""

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
from walls_kinds import NAMES, NAMES_FOR_OTHERS, RUNGS, open_walls, rung_of
from walls_scenario import Unusable
from walls_scenarios import SCENARIOS, play
from walls_users import run_scenario

from emulator.model.errors import SandboxError

pytestmark = pytest.mark.isolation


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that an ordinary user can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="fclocal-test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def tun() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="fclocal-tun-"))
    os.chmod(folder, 0o755)
    yield folder
    folder.rmdir()


@pytest.fixture(scope="session")
def available() -> dict[str, str]:
    """For each rung why it can not be had here; empty where it can."""

    async def why_not(rung: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            try:
                walls = await open_walls(rung, Path(folder))
            except SandboxError as error:
                return str(error)
            await walls.aclose()
            return ""

    return {rung: asyncio.run(why_not(rung)) for rung in RUNGS}


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("rung", NAMES)
def test_as_this_user(rung: str, name: str, place: Path, available: dict[str, str]) -> None:
    """On the event loop that the product runs on."""
    require(rung, available)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(play(rung, name, place))
    except Unusable as absent:
        pytest.skip(str(absent))


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("rung", NAMES_FOR_OTHERS)
def test_as_an_ordinary_user(rung: str, name: str, place: Path, tun: Path, available: dict[str, str]) -> None:
    require(rung, available)
    os.chmod(place, 0o777)
    script = Path(__file__).with_name("walls_scenarios.py")
    run_scenario(script, [rung, name, str(place)], ordinary=True, tun=tun)


def require(rung: str, available: dict[str, str]) -> None:
    if not Path(PYTHON).exists():
        pytest.skip(f"{PYTHON} is missing")
    if reason := available[rung_of(rung)]:
        pytest.skip(reason)
