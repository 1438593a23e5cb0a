"""The container engine dies while instances run (sandbox.md §6.4 R12): no answer is lost, and all goes on after."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from walls_box import PYTHON, Box, box, ended, leftovers, until

from emulator.model.errors import SandboxError
from emulator.sandbox.container.walls import ContainerWalls, open_containers
from tests.support.own_engine import OwnEngine, needs

pytestmark = [
    pytest.mark.isolation,
    # docker-py forgets a socket that could not be connected.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.skipif(bool(needs()), reason=needs()),
    pytest.mark.skipif(not Path(PYTHON).exists(), reason=f"{PYTHON} is missing"),
]


@pytest.fixture
def engine() -> Iterator[OwnEngine]:
    made = OwnEngine(Path(tempfile.mkdtemp(prefix="fcd-", dir="/var/tmp")))
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="fclocal-test-"))
    yield folder
    shutil.rmtree(folder)


def test_an_engine_that_is_killed_takes_no_answer_along(engine: OwnEngine, place: Path) -> None:
    asyncio.run(asyncio.wait_for(outlive(engine, place), 120))
    gc.collect()  # while that is known
    assert not leftovers(place)


async def outlive(engine: OwnEngine, place: Path) -> None:
    walls = await opened(engine.host, place)
    try:
        async with box(walls, place) as made:
            gate = f"while not os.path.exists({made.inside + '/go'!r}): time.sleep(0.01)\nanswer = 'late'"
            asked = asyncio.create_task(made.ask(gate))
            await asyncio.sleep(0)
            engine.kill()
            (made.shared / "go").touch()
            assert await asked == "late"
            await made.sandbox.freeze()
            await made.sandbox.thaw()
            assert await made.ask("answer = 'thawed'") == "thawed"
            await an_absent_engine_is_told(walls, place)
            how = await made.sandbox.kill()
            assert how.signal == 9
            await until(lambda: not made.host_pids())
        engine.start()
        async with box(walls, place) as again:
            assert await again.ask("answer = 'recovered'") == "recovered"
    finally:
        await walls.aclose()
    assert not containers(engine), "what could not be removed while it was away is removed later"


async def an_absent_engine_is_told(walls: ContainerWalls, place: Path) -> None:
    refused = Box(walls, place)
    with pytest.raises(SandboxError) as told:
        await refused.sandbox.start()
    assert "DOCKER_HOST" in told.value.next_step
    await refused.sandbox.aclose()


def test_what_a_killed_engine_left_goes_with_the_next_start(engine: OwnEngine, place: Path) -> None:
    """Nobody could remove it when its emulator ended."""
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((*sys.path, str(here))), "DOCKER_HOST": engine.host}
    program = f"import test_engine_end as it; it.lose({str(engine.folder / 'pid')!r}, {str(place)!r})"
    subprocess.run([sys.executable, "-c", program], env=env, check=True, timeout=60)
    engine.kill()
    engine.start()
    assert containers(engine)

    async def open_again() -> None:
        await (await opened(engine.host, place)).aclose()

    asyncio.run(open_again())
    assert not containers(engine)


def lose(engine_pid: str, place: str) -> None:
    """An emulator whose engine is killed, and which then ends in good order."""

    async def run() -> None:
        walls = await opened(os.environ["DOCKER_HOST"], Path(place))
        made = Box(walls, Path(place))
        await made.sandbox.start()
        os.kill(int(Path(engine_pid).read_text()), signal.SIGKILL)
        await made.sandbox.kill()
        await ended(made)
        await walls.aclose()

    asyncio.run(run())


async def opened(engine: str, place: Path) -> ContainerWalls:
    environ = {**os.environ, "DOCKER_HOST": engine}
    return await open_containers(place / "state", strict=False, limits=True, environ=environ)


def containers(engine: OwnEngine) -> list[str]:
    api = docker.APIClient(base_url=engine.host, version="auto")
    try:
        return [found["Id"] for found in api.containers(all=True)]
    finally:
        api.close()
