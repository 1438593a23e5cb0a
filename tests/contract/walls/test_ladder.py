"""Which rung is chosen where something is denied: the next one, told with what was refused and what lifts it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from walls_users import ROOT

from emulator.sandbox.landlock import abi

pytestmark = pytest.mark.isolation

# Whoever is inside can make no further namespace, as in a container with Docker's default filter.
DENIED = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from msgspec.structs import asdict
from emulator.sandbox.ladder import choose_walls
import scenarios_life, walls_box

async def main(place):
    walls = await choose_walls("auto", place / "state", strict=False, limits=True)
    try:
        await scenarios_life.answers_on_its_endpoint(walls, place)
        print(json.dumps([walls.rung, [asdict(finding) for finding in walls.findings()]]))
    finally:
        await walls.aclose()

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.fixture
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="fclocal-test-"))
    yield folder
    shutil.rmtree(folder)


def chosen(place: Path, path: str = os.defpath) -> tuple[str, dict[str, dict[str, Any]]]:
    """The rung, and the findings about walls by what they are about."""
    unshare = shutil.which("unshare")
    if unshare is None or not Path("/usr/bin/python3").exists():
        pytest.skip("unshare or /usr/bin/python3 is missing")
    deny = [unshare, "--user", "--map-root-user", "/bin/sh", "-c", DENIED, "sh"]
    if subprocess.run([*deny, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("user namespaces are denied here already")
    here = Path(__file__).parent
    result = subprocess.run(
        [*deny, sys.executable, "-c", PROGRAM, str(place)],
        env={"PATH": path, "PYTHONPATH": f"{ROOT}:{here}"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    rung, findings = json.loads(result.stdout)
    return rung, {finding["state"]: finding for finding in findings if finding["topic"] == "walls"}


@pytest.mark.skipif(not abi(), reason="this kernel has no Landlock")
def test_where_namespaces_are_denied_it_is_landlock(place: Path) -> None:
    rung, findings = chosen(place)
    assert rung == "landlock"
    assert not findings["bwrap"]["full"]
    assert "user.max_user_namespaces" in findings["bwrap"]["lift"]
    assert not findings["landlock"]["full"]


@pytest.mark.skipif(not abi(), reason="this kernel has no Landlock")
def test_what_is_not_installed_is_told_with_the_command_that_installs_it(place: Path, tmp_path: Path) -> None:
    rung, findings = chosen(place, str(tmp_path))
    assert rung == "landlock"
    assert findings["bwrap"]["detail"] == "bubblewrap is not installed"
    assert "bubblewrap" in findings["bwrap"]["lift"]
