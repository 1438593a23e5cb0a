"""The launcher of the Landlock rung, for this user and for an ordinary one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from confine_scenarios import SCENARIOS
from walls_scenario import SYSTEM_PYTHON
from walls_users import run_scenario

from emulator.sandbox.landlock import abi

pytestmark = [
    pytest.mark.isolation,
    pytest.mark.skipif(not abi(), reason="this kernel has no Landlock"),
    pytest.mark.skipif(not Path(SYSTEM_PYTHON).exists(), reason=f"{SYSTEM_PYTHON} is missing"),
]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that an ordinary user can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="fclocal-test-"))
    os.chmod(folder, 0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("ordinary", [False, True], ids=["this-user", "ordinary-user"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_confined(name: str, ordinary: bool, place: Path) -> None:
    run_scenario(Path(__file__).with_name("confine_scenarios.py"), [name, str(place)], ordinary=ordinary)
