"""Containers on another kernel do what the protocol says, over an engine that is asked over TCP and nothing else."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from walls_apart import PORT, WallsApart
from walls_box import PATIENCE, SERVER, Box, box, leftovers, until
from walls_kinds import CONTAINER_APART
from walls_scenarios import play

from emulator.model.errors import SandboxError
from emulator.model.launch import Access, Mount, Network
from emulator.sandbox.base import Listener
from emulator.sandbox.container.apart_walls import ApartWalls
from emulator.sandbox.container.walls import open_containers
from tests.support.engine import asked, needs_engine
from tests.support.images import bare_python
from tests.support.relay import relayed

DOCKER = Path("/var/run/docker.sock")
# Whatever goes another way than near: by the engine, and by ports. What an image brings, what of limits is absent, and
# what hears of something a moment later is not here.
SCENARIOS = (
    "a_frozen_instance_can_be_killed_and_stopped",
    "an_end_that_overtakes_a_freeze_is_one",
    "answers_on_its_endpoint",
    "code_is_writable_and_the_host_untouched",
    "exits_are_told_apart",
    "freezes_everything_and_goes_on",
    "many_and_long_lines_are_kept",
    "memory_over_the_limit_is_told_from_a_crash",
    "mounts_and_links_are_seen",
    "nothing_is_left_after_closing",
    "nothing_outlives_a_killed_owner",
    "refuses_callers_when_dead",
    "runs_one_more_command",
    "stop_asks_first",
    "who_is_not_root_inside_can_not_write_what_merges",
)

pytestmark = [
    pytest.mark.isolation,
    needs_engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="what the engine writes to shared folders is root's here"),
    pytest.mark.skipif(not DOCKER.exists(), reason=f"no engine listens on {DOCKER}"),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    bare_python()
    with relayed(DOCKER) as address:
        yield address


@pytest.fixture(autouse=True)
def named(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine)


@pytest.fixture
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="fclocal-test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", SCENARIOS)
def test_containers_apart(name: str, place: Path) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(play(CONTAINER_APART, name, place))


def test_an_end_overtakes_a_freeze_that_the_engine_has_not_heard_of(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        relayed(DOCKER, held="/pause ") as address,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        monkeypatch.setenv("DOCKER_HOST", address)
        runner.run(play(CONTAINER_APART, "an_end_that_overtakes_a_freeze_is_one", place))


@asynccontextmanager
async def opened(place: Path, *, strict: bool = False) -> AsyncIterator[Any]:
    walls = await open_containers(place / "state", strict=strict, limits=True, environ=os.environ)
    assert isinstance(walls, ApartWalls)
    try:
        yield WallsApart(walls, bare_python())
    finally:
        await walls.aclose()
    assert not leftovers(place)


def run(work: Any) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(work, 60))


def test_a_port_that_is_forwarded_is_no_port_that_is_open(place: Path) -> None:
    """What forwards it accepts at once. Also of an image without a program to look with, and of a wrong port."""

    async def main() -> None:
        async with opened(place) as walls:
            late = "import os, time\nwhile not os.path.exists('/mnt/shared/go'): time.sleep(0.01)\n" + SERVER
            nothing = place / "nothing"
            nothing.touch()
            for extra in ((), (Mount((nothing,), "/usr/bin/cat"),)):
                (place / "shared" / "go").unlink(missing_ok=True)
                async with box(walls, place, program=late, extra_mounts=extra) as made:
                    await asyncio.sleep(0.1)
                    assert made.sandbox.listeners() == ()
                    (made.shared / "go").touch()
                    assert await made.ask("answer = 'there'") == "there"
                    assert Listener(PORT, loopback=False) in made.sandbox.listeners()
            elsewhere = SERVER.replace("socket.socket(fileno=3)", "socket.create_server(('0.0.0.0', 9001))")
            async with box(walls, place, program=elsewhere) as made:
                await until(lambda: [*made.sandbox.listeners()] == [Listener(9001, loopback=False)])

    run(main())


def test_both_streams_are_complete_and_each_keeps_its_order(place: Path) -> None:
    async def main() -> None:
        async with opened(place) as walls, box(walls, place) as made:
            await made.ask("for n in range(500): os.write(1 + n % 2, b'line %d\\n' % n)")
            await until(lambda: len(made.lines) == 500)
            for stream in (0, 1):
                mine = [line for line in made.lines if int(line.split()[1]) % 2 == stream]
                assert mine == [b"line %d" % n for n in range(stream, 500, 2)]

    run(main())


def test_memory_is_known_by_the_engine(place: Path) -> None:
    async def main() -> None:
        async with opened(place) as walls, box(walls, place) as made:
            await made.ask("kept = bytearray(b'x') * (50 << 20)")
            await until(lambda: 50 < made.sandbox.usage().memory_mb < 80)
            await made.ask("kept = None")
            await until(lambda: made.sandbox.usage().memory_mb < 40)
            assert made.sandbox.usage().peak_mb > 50

    run(main())


@pytest.mark.parametrize("strict", [False, True])
def test_what_can_not_be_overlaid_is_copied_in(strict: bool, place: Path) -> None:
    """The state folder is on a disk that the kernel takes for no upper folder: an overlay itself."""
    below = place / "below"
    for name in ("lower", "upper", "work", "merged"):
        (below / name).mkdir(parents=True)
    options = f"lowerdir={below}/lower,upperdir={below}/upper,workdir={below}/work"
    mount = ["mount", "-t", "overlay", "overlay", "-o", options, str(below / "merged")]
    if (done := subprocess.run(mount, capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"no overlay can be mounted here: {done.stderr}")
    here = below / "merged" / "here"
    here.mkdir()

    async def main() -> None:
        first, second = here / "first", here / "second"
        for folder in (first, second):
            folder.mkdir()
            (folder / "both").write_text(folder.name)
            (folder / folder.name).touch()
        async with opened(here, strict=strict) as walls:
            assert strict or any("copied" in finding.state for finding in walls.findings())
            merged = Mount((first, second), "/opt", Access.OVERLAY)
            async with box(walls, here, extra_mounts=(merged,)) as made:
                assert await made.ask("answer = [sorted(os.listdir('/opt')), open('/opt/both').read()]") == [
                    ["both", "first", "second"],
                    "first",
                ]
                if not strict:
                    await made.ask("open('/code/thrown', 'w').close(); os.remove('/opt/both')")
        assert not [*made.code.iterdir()]
        assert (first / "both").exists()

    try:
        run(main())
    finally:
        subprocess.run(["umount", str(below / "merged")], check=True)


def test_what_needs_this_machine_is_refused_with_the_way_on(place: Path) -> None:
    async def main() -> None:
        async with opened(place) as walls:
            made = Box(walls, place, network=Network.NONE)
            for sandbox, step in ((walls.without_image(made), "fclocal images"), (made.sandbox, "--network bridge")):
                with pytest.raises(SandboxError) as refused:
                    await sandbox.start()
                assert step in refused.value.next_step
                await sandbox.aclose()

    run(main())


def test_folders_that_the_engine_does_not_see_are_told(place: Path, engine: str) -> None:
    """As in a virtual machine with which a folder is not shared: the same path is another folder, or none."""
    program = f"import test_walls_apart as it; it.unseen({str(place)!r})"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((*sys.path, str(Path(__file__).parent)))}
    argv = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$1" && exec "$2" -c "$3"', "sh", str(place)]
    done = subprocess.run([*argv, sys.executable, program], env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    with asked() as api:
        assert not api.containers(all=True, filters={"name": "fclocal-probe-"})


def unseen(place: str) -> None:
    async def main() -> None:
        with pytest.raises(SandboxError) as refused:
            await open_containers(Path(place, "state"), strict=False, limits=True, environ=os.environ)
        assert "does not see" in refused.value.message and "share that folder" in refused.value.next_step
        assert not [*Path(place, "state", "run").iterdir()]

    asyncio.run(main())
