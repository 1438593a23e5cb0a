"""podman, which speaks Docker's API by and large, makes the same walls."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop
from walls_box import PYTHON, until
from walls_kinds import CONTAINER, CONTAINERS_AHEAD
from walls_scenarios import play

from tests.support.own_engine import end_processes_of

PODMAN, RUNC = shutil.which("podman"), shutil.which("runc")
# What engines do in ways of their own; all else is ours, and is the same for each of them.
SCENARIOS = (
    "answers_on_its_endpoint",
    "code_is_writable_and_the_host_untouched",
    "environment_is_exact",
    "exits_are_told_apart",
    "freezes_everything_and_goes_on",
    "instances_with_their_own_network_use_one_port",
    "nothing_outlives_a_killed_owner",
    "what_listens_on_the_host_is_reached_from_a_bridge",
    "who_is_not_root_inside_can_not_write_what_merges",
)

pytestmark = [
    pytest.mark.isolation,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can have podman and all that the walls ask of it"),
    pytest.mark.skipif(PODMAN is None or RUNC is None, reason="podman or runc is missing"),
    pytest.mark.skipif(not Path(PYTHON).exists(), reason=f"{PYTHON} is missing"),
]


@pytest.fixture(scope="module")
def podman() -> Iterator[str]:
    """The address of a service with images and containers of its own. crun refuses hybrid control groups."""
    folder = Path(tempfile.mkdtemp(prefix="fcp-", dir="/var/tmp"))
    argv = [str(PODMAN), "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--runtime", str(RUNC)]
    address = f"unix://{folder}/p.sock"
    with (folder / "log").open("wb") as log:
        # It leaves the archives that it was given.
        env = {**os.environ, "TMPDIR": str(folder)}
        command = [*argv, "system", "service", "--time=0", address]  # conmon writes files where it starts
        service = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=env)
    try:
        deadline = time.monotonic() + 30
        while not (folder / "p.sock").exists():
            if service.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"podman does not serve here: {(folder / 'log').read_text()[-300:]}")
            time.sleep(0.05)
        yield address
        left = subprocess.run([*argv, "ps", "--all", "--quiet"], capture_output=True, text=True, check=False).stdout
        assert not left
    finally:
        subprocess.run([*argv, "rm", "--all", "--force"], capture_output=True, check=False)
        service.send_signal(signal.SIGTERM)
        service.wait()
        end_processes_of(folder)  # conmon stays for five minutes after each command that ran in a container
        subprocess.run(["umount", f"{folder}/root/overlay"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


CASES = [
    *((CONTAINER, name) for name in SCENARIOS),
    *((walls, name) for walls in CONTAINERS_AHEAD for name in SCENARIOS[:2]),
]


@pytest.mark.parametrize(("walls", "name"), CASES)
def test_podman(walls: str, name: str, podman: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", podman)
    place = Path(tempfile.mkdtemp(prefix="fclocal-test-"))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(play(walls, name, place))
            runner.run(until(lambda: not [*(place / "state" / "run").iterdir()]))
    finally:
        shutil.rmtree(place)
