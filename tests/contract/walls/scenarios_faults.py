"""What walls must survive (sandbox.md §6.4): the death of their owner, deaths in the middle of a request, wear."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from walls_box import COUNTERS, PATIENCE, Box, box, ended, pids_with, scenario, until
from walls_kinds import open_walls

from emulator.model.launch import Exit
from emulator.sandbox import proctree
from emulator.sandbox.base import Walls

OWNED = 6
ENDS = {
    "os._exit(0)": Exit(code=0),
    "os._exit(3)": Exit(code=3),
    "ctypes.string_at(0)": Exit(code=None, signal=signal.SIGSEGV),
    "os.kill(os.getpid(), signal.SIGKILL)": Exit(code=None, signal=signal.SIGKILL),
    "kept = [bytearray(b'x') * (1 << 20) for _ in range(400)]; time.sleep(60)": Exit(
        code=None, signal=signal.SIGKILL, oom=True
    ),
}


async def own(rung: str, place: Path) -> None:
    """Another emulator: instances with children of every kind, of which every second one is frozen. Never ends."""
    walls = await open_walls(rung, place / "state")
    made = [Box(walls, place) for _ in range(OWNED)]
    for number, each in enumerate(made):
        await each.sandbox.start()
        await each.ask(f"where, token = {each.inside!r}, {each.token!r}\n{COUNTERS}")
        if number % 2:
            await each.sandbox.freeze()
    print(*(each.token for each in made), flush=True)
    await asyncio.Event().wait()


@scenario
async def nothing_outlives_a_killed_owner(walls: Walls, place: Path) -> None:
    """R1. The reaper ends and removes everything."""
    left = await _kill_owner(walls, place / "theirs", with_reaper=False)
    await until(lambda: not [path for path in left if path.exists()])


@scenario
async def what_outlives_a_killed_reaper_goes_with_the_next_start(walls: Walls, place: Path) -> None:
    theirs = place / "theirs"
    left = await _kill_owner(walls, theirs, with_reaper=True)
    assert left[0].exists()
    again = await open_walls(walls.rung, theirs / "state")
    try:
        assert not [path for path in left if path.exists()]
    finally:
        await again.aclose()
    assert not [*(theirs / "state" / "run").iterdir()]


async def _kill_owner(walls: Walls, theirs: Path, *, with_reaper: bool) -> list[Path]:
    """Paths of what belonged to instances whose owner was killed; their processes are gone, unless the reaper is."""
    theirs.mkdir()
    here = Path(__file__).parent
    program = (
        "import asyncio, pathlib, scenarios_faults\n"
        f"asyncio.run(scenarios_faults.own({walls.rung!r}, pathlib.Path({str(theirs)!r})))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((*sys.path, str(here)))}
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, env=env)
    assert owner.stdout is not None
    try:
        tokens = (await asyncio.wait_for(owner.stdout.readline(), 3 * PATIENCE)).decode().split()
        assert len(tokens) == OWNED
        assert all(pids_with(token) for token in tokens)
        (run,) = (theirs / "state" / "run").iterdir()
        sockets = Path((run / "sockets").read_text())
        groups = [Path(line) for line in (run / "cgroups").read_text().splitlines()]
        assert sockets.exists()
        if with_reaper:
            reapers = [pid for pid in pids_with(run.name) if b"remains.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            assert len(reapers) == 1
            os.kill(reapers[0], signal.SIGKILL)
    finally:
        owner.kill()
        await owner.wait()
    if not with_reaper:
        await until(lambda: not any(pids_with(token) for token in tokens))
        # The reaper has it too; whoever leaves before leaves an open pipe to the loop.
        assert not await asyncio.wait_for(owner.stdout.read(), PATIENCE)
    return [run, sockets, *groups]


@scenario
async def an_end_in_the_middle_of_a_request_is_seen(walls: Walls, place: Path) -> None:
    """R3. The caller is not left hanging, and what happened is told."""
    for code, expected in ENDS.items():
        async with box(walls, place, memory_mb=128) as made:
            try:
                await made.ask(code)
            except ConnectionResetError:
                assert await ended(made) == expected, code
            else:
                raise AssertionError(f"{code}: answered")


@scenario
async def many_short_lives_leave_nothing(walls: Walls, place: Path) -> None:
    """R3, R8. Every one is seen to end, and descriptors, tasks and processes are as before."""

    async def live(number: int) -> None:
        async with box(walls, place, program=f"raise SystemExit({number % 3})") as made:
            assert await ended(made) == Exit(code=number % 3), made.lines

    await live(0)
    before = (len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()), set(proctree.descendants(os.getpid())))
    for start in range(0, 40, 4):
        await asyncio.gather(*(live(number) for number in range(start, start + 4)))
    after = (len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()), set(proctree.descendants(os.getpid())))
    assert after[0] <= before[0] and after[1:] == before[1:], (before, after)


@scenario
async def neighbours_of_a_fork_bomb_answer(walls: Walls, place: Path) -> None:
    """R18. The bomb is bounded where walls can, and the memory of its processes counts as its own."""
    if any(finding.topic == "process limit" and not finding.full for finding in walls.findings()):
        return
    bomb = """
def burst():
    while True:
        try:
            if os.fork() == 0:
                burst()
        except OSError:  # the limit; going on would only tax the machine that tests
            time.sleep(600)
burst()
"""
    async with box(walls, place, memory_mb=1024) as bad, box(walls, place) as good:
        dropped = asyncio.create_task(bad.ask(bomb))
        await until(lambda: len(bad.host_pids()) > 100 or bad.sandbox.exited.done())
        for number in range(20):
            assert await good.ask(f"answer = {number}") == number
        await bad.sandbox.kill()
        await until(lambda: not bad.host_pids())
        await asyncio.gather(dropped, return_exceptions=True)
