"""Every rung that this machine has, for this user and for an ordinary one, does what the protocol says."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from walls_box import PYTHON
from walls_scenarios import SCENARIOS, play

from emulator.model.errors import SandboxError
from emulator.sandbox.ladder import choose_walls

ROOT = Path(__file__).parents[3]
NOBODY_IN_PARTICULAR = "54321"  # a user number that no system gives away

pytestmark = pytest.mark.isolation


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that an ordinary user can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="fclocal-test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def available() -> dict[str, str]:
    """For each rung why it can not be had here; empty where it can."""

    async def why_not(rung: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            try:
                walls = await choose_walls(rung, Path(folder), strict=False, limits=True)
            except SandboxError as error:
                return str(error)
            await walls.aclose()
            return ""

    return {rung: asyncio.run(why_not(rung)) for rung in ("bwrap", "landlock", "plain")}


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("rung", ["bwrap", "landlock", "plain"])
def test_as_this_user(rung: str, name: str, place: Path, available: dict[str, str]) -> None:
    require(rung, available)
    asyncio.run(play(rung, name, place))


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("rung", ["bwrap", "landlock", "plain"])
def test_as_an_ordinary_user(rung: str, name: str, place: Path, available: dict[str, str]) -> None:
    require(rung, available)
    os.chmod(place, 0o777)
    result = as_ordinary_user([str(Path(__file__).with_name("walls_scenarios.py")), rung, name, str(place)])
    assert result.returncode == 0, result.stderr


def require(rung: str, available: dict[str, str]) -> None:
    if not Path(PYTHON).exists():
        pytest.skip(f"{PYTHON} is missing")
    if available[rung]:
        pytest.skip(available[rung])


# setpriv may start a Python that its user can not reach a second time, so the trial starts itself again.
REACHABLE = (
    "import subprocess, sys, emulator; assert sys.version_info >= (3, 11); "
    "subprocess.run([sys.executable, '-c', 'import emulator.sandbox.ladder'], check=True); "
    "open(sys.base_prefix + '/lib/python%d.%d/os.py' % sys.version_info[:2]).close()"
)


def as_ordinary_user(argv: list[str]) -> subprocess.CompletedProcess[str]:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user; this user's run is the same")
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is missing")
    become = [setpriv, f"--reuid={NOBODY_IN_PARTICULAR}", f"--regid={NOBODY_IN_PARTICULAR}", "--clear-groups"]
    env = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    for python in (sys.executable, PYTHON):
        trial = [*become, python, "-c", REACHABLE]
        if subprocess.run(trial, env=env, capture_output=True, check=False).returncode == 0:
            return subprocess.run(
                [*become, python, "-X", "dev", "-W", "error", *argv],
                env=env, capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
    pytest.skip("an ordinary user can not reach a Python of 3.11 or later and this source tree")
