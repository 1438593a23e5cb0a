"""What every rung must do: memory, processes, cpu and disk are held, and frozen means standing still."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from walls_box import COUNTERS, PATIENCE, box, ended, scenario, until

from emulator.model.launch import Access, Exit, Mount
from emulator.sandbox.base import Walls


@scenario
async def memory_over_the_limit_is_told_from_a_crash(walls: Walls, place: Path) -> None:
    eat = "kept = [bytearray(b'x') * (1 << 20) for _ in range(400)]; import time; time.sleep(30)"
    async with box(walls, place, program=eat, memory_mb=128) as made:
        assert await ended(made) == Exit(code=None, signal=signal.SIGKILL, oom=True)
    by_child = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {eat!r}]); time.sleep(600)"
    async with box(walls, place, program=by_child, memory_mb=128) as made:
        assert await ended(made) == Exit(code=None, signal=signal.SIGKILL, oom=True)
    fits = "kept = bytearray(60 << 20); import ctypes, mmap; mmap.mmap(-1, 2 << 30)"  # address space is no memory
    async with box(walls, place, program=fits, memory_mb=128) as made:
        assert await ended(made) == Exit(code=0)


@scenario
async def memory_that_forks_share_counts_once(walls: Walls, place: Path) -> None:
    fork = """
kept = bytearray(b'x') * (30 << 20)
for _ in range(12):
    if os.fork() == 0:
        time.sleep(600)
answer = 'forked'
"""
    async with box(walls, place, memory_mb=128) as made:
        assert await made.ask(fork) == "forked"
        for _ in range(5):
            await asyncio.sleep(0.1)  # several looks, where looking is what limits
            assert await made.ask("answer = len(kept)") == 30 << 20
        assert 30 < made.sandbox.usage().memory_mb < 120
        assert made.sandbox.usage().peak_mb < 120


@scenario
async def usage_is_memory_and_not_page_cache(walls: Walls, place: Path) -> None:
    async with box(walls, place, memory_mb=256) as made:
        (made.shared / "big").write_bytes(b"x" * (100 << 20))
        before = made.sandbox.usage()
        await made.ask(f"answer = len(open({made.inside + '/big'!r}, 'rb', 0).read(1 << 20))")
        await made.ask("kept = bytearray(b'x') * (50 << 20)")
        full = made.sandbox.usage()
        assert 48 < full.memory_mb - before.memory_mb < 60, (before, full)
        await made.ask("kept = None")
        after = made.sandbox.usage()
        assert after.memory_mb < full.memory_mb - 40
        assert after.peak_mb >= full.memory_mb


@scenario
async def freezes_everything_and_goes_on(walls: Walls, place: Path) -> None:
    async with box(walls, place) as made:
        names = ("thread", "child", "setsid")

        def counts() -> dict[str, int]:
            return {name: int((made.shared / name).read_bytes() or b"0") for name in names}

        def running() -> bool:
            return all((made.shared / name).exists() for name in names) and min(counts().values()) > 3

        await made.ask(f"where, token = {made.inside!r}, {made.token!r}\n{COUNTERS}")
        await until(running)
        await made.sandbox.freeze()
        still = counts()
        await asyncio.sleep(0.5)
        assert counts() == still
        await made.sandbox.thaw()
        await until(lambda: all(counts()[name] > still[name] + 3 for name in names))
        for _ in range(20):
            await made.sandbox.freeze()
            await made.sandbox.thaw()
            assert await made.ask("answer = 1") == 1


@scenario
async def a_frozen_instance_can_be_killed_and_stopped(walls: Walls, place: Path) -> None:
    for end in ("kill", "stop"):
        async with box(walls, place) as made:
            await made.ask(f"where, token = {made.inside!r}, {made.token!r}\n{COUNTERS}")
            await until(lambda made=made: (made.shared / "setsid").exists())
            await made.sandbox.freeze()
            assert len(made.host_pids()) >= 3
            how = await (made.sandbox.kill() if end == "kill" else made.sandbox.stop(PATIENCE))
            assert how.signal == (signal.SIGKILL if end == "kill" else signal.SIGTERM)
            await until(lambda made=made: not made.host_pids())


@scenario
async def an_end_that_overtakes_a_freeze_is_one(walls: Walls, place: Path) -> None:
    for end in ("kill", "stop"):
        async with box(walls, place) as made:
            assert await made.ask("answer = 'awake'") == "awake"
            freezing = asyncio.create_task(made.sandbox.freeze())
            await asyncio.sleep(0)
            how = await (made.sandbox.kill() if end == "kill" else made.sandbox.stop(PATIENCE))
            assert how.signal == (signal.SIGKILL if end == "kill" else signal.SIGTERM)
            await freezing
            await until(lambda made=made: not made.host_pids())


@scenario
async def tmp_has_a_size(walls: Walls, place: Path) -> None:
    if not walls.mounts:
        return
    async with box(walls, place, disk_mb=4, mounts=()) as made:
        pass
    shared_free = {"mounts": (Mount((place / "code",), "/code", Access.OVERLAY),)}
    async with box(walls, place, disk_mb=4, **shared_free) as made:
        one = (
            "try: open('/tmp/one', 'wb', 0).write(bytes(8 << 20)); answer = 'ok'\n"
            "except OSError as error: answer = error.errno"
        )
        await made.ask(one)
        await made.ask("for n in range(4): open('/tmp/f%d' % n, 'wb').write(bytes(2 << 20))")
        await until(lambda: (made.sandbox.usage().disk_mb or 0) > 4)
        assert "tmpfs" not in await made.ask("answer = [l for l in open('/proc/mounts') if ' /tmp ' in l][0]")


@scenario
async def a_fork_bomb_stays_inside(walls: Walls, place: Path) -> None:
    told = {finding.topic for finding in walls.findings() if not finding.full}
    if "process limit" in told:
        return
    bomb = """
children = []
try:
    for n in range(3000):
        pid = os.fork()
        if pid == 0:
            time.sleep(600)
            os._exit(0)
        children.append(pid)
except OSError as error:
    answer = [len(children), error.errno]
"""
    async with box(walls, place, memory_mb=2048) as made:
        forked, error = await made.ask(bomb)
        assert forked <= 1024 and error == 11
        await made.sandbox.kill()
        await until(lambda: not made.host_pids())


@scenario
async def cpu_is_a_quota(walls: Walls, place: Path) -> None:
    if any(finding.topic == "cpu limit" and not finding.full for finding in walls.findings()):
        return
    spin = """
wall, cpu = time.monotonic(), time.process_time()
while time.monotonic() < wall + 1: pass
answer = time.process_time() - cpu
"""
    async with box(walls, place, cpu=0.1) as made:
        assert await made.ask(spin) < 0.4
