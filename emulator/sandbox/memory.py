"""Memory of an instance: limited by looking where no control group does it, and told to the caller."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from emulator.model.launch import Usage
from emulator.model.limits import MB
from emulator.sandbox import proctree
from emulator.sandbox.groups import Group

# A greedy program overshoots 128 MB by up to 37 MB at 20 ms, and by more than it has at 250 ms (sandbox.md §2.1).
_BUSY_SECONDS = 0.02
_IDLE_SECONDS = 0.25
_BUSY_FOR_SECONDS = 1.0
# Looking may take a tenth of the time: a thousand processes are dear to look at.
_PAUSE_PER_LOOK = 9.0
_SLICE, _FEW = 20, 64
_CURVE_POINTS = 64

Members = Callable[[], Iterable[int]]


class MemoryGauge:
    """What an instance uses, now and at its highest. Page cache does not count: it can be taken back."""

    def __init__(self, group: Group, members: Members) -> None:
        self._group = group
        self._members = members
        self.peak_bytes = 0
        self._curve: deque[tuple[float, float]] = deque(maxlen=_CURVE_POINTS)

    def _note(self, used: int) -> None:
        """A point of the curve, where it is another one by 1 MB."""
        mb = used / MB
        if not self._curve or abs(self._curve[-1][1] - mb) >= 1:
            self._curve.append((time.monotonic(), mb))

    async def look(self, limit: int) -> int:
        """Memory now. Quick where a control group counts, or a bound that is never too low stays below `limit`."""
        used = self._group.memory_bytes()
        if used is None:
            used, count = await self._sum(proctree.resident_bytes)
            if count > 1:
                if used <= limit:
                    return used
                used, _ = await self._sum(proctree.proportional_bytes)
        self._note(used)
        self.peak_bytes = max(self.peak_bytes, used)
        return used

    async def _sum(self, measure: Callable[[int], int]) -> tuple[int, int]:
        """Over all members, which may be a thousand, so in slices; and their number."""
        total = count = 0
        for pid in self._members():
            total += measure(pid)
            count += 1
            if count % _SLICE == 0:
                await asyncio.sleep(0)
        return total, count

    def usage(self, disk_bytes: int | None) -> Usage:
        members = [*self._members()]
        used = self._used_now(members)
        highest = proctree.highest_bytes(members)
        pressure = self._group.pressure_bytes()
        self.peak_bytes = max(self.peak_bytes, used)
        self._note(used)
        # VmHWM counts shared libraries for each process, the group's peak counts page cache: the truth is below both.
        if pressure is not None:
            self.peak_bytes = max(self.peak_bytes, min(highest, pressure))
        disk = None if disk_bytes is None else disk_bytes / MB
        return Usage(used / MB, self.peak_bytes / MB, disk, tuple(self._curve))

    def _used_now(self, members: Sequence[int]) -> int:
        used = self._group.memory_bytes()
        if used is not None:
            return used
        # Nothing is shared by one, and a look at too many would hold everybody up: then the bound is told.
        measure = proctree.proportional_bytes if 1 < len(members) <= _FEW else proctree.resident_bytes
        return sum(map(measure, members))


class MemoryGuard:
    """Calls `over` once when the gauge shows more than the limit: every 20 ms while busy, else four times a second."""

    def __init__(self, gauge: MemoryGauge, limit_mb: int, over: Callable[[], None]) -> None:
        self._gauge = gauge
        self._limit = limit_mb * MB
        self._over = over
        self._awake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._busy_until = 0.0
        self.touch()
        self._task = self._loop.create_task(self._run())

    def touch(self) -> None:
        """Something is going on inside: look often for the next second."""
        self._busy_until = self._loop.time() + _BUSY_FOR_SECONDS
        self._awake.set()

    def sleep(self) -> None:
        """Nothing inside runs."""
        self._awake.clear()

    async def aclose(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        before = 0
        while True:
            await self._awake.wait()
            began = self._loop.time()
            used = await self._gauge.look(self._limit)
            if used > self._limit:
                self._over()
                return
            if used > before + MB:
                self._busy_until = self._loop.time() + _BUSY_FOR_SECONDS
            before = used
            now = self._loop.time()
            pause = _BUSY_SECONDS if now < self._busy_until else _IDLE_SECONDS
            await asyncio.sleep(max(pause, (now - began) * _PAUSE_PER_LOOK))
