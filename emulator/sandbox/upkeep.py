"""Limits that the kernel does not enforce alone, and the figures of an instance."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import re
import resource
from collections.abc import Callable, Sequence
from pathlib import Path

from emulator.model.launch import Launch, Usage
from emulator.model.limits import PROCESSES
from emulator.sandbox.disk import DiskWatch
from emulator.sandbox.groups import Group
from emulator.sandbox.memory import Members, MemoryGauge, MemoryGuard

_OOM_CHECK_SECONDS = 0.02
_OOM_CHECKS = 25


class Upkeep:
    """Looks after one instance from start to exit. `over` is called when its memory is over the limit."""

    def __init__(self, group: Group, members: Members, over: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._group = group
        self._gauge = MemoryGauge(group, members)
        self._over = over
        self._guard: MemoryGuard | None = None
        self._disk: DiskWatch | None = None
        self._oom_event: int | None = None
        self._over_memory = False

    def start(self, launch: Launch, disk: Sequence[Path], *, limits: bool) -> None:
        if launch.disk_mb is not None and disk:
            self._disk = DiskWatch(disk)
        limit = launch.memory_mb if limits else None
        if limit is None:
            return
        if not self._group.limits_memory:
            self._guard = MemoryGuard(self._gauge, limit, self._memory_is_over)
        self._oom_event = self._group.oom_event()
        if self._oom_event is not None:
            self._loop.add_reader(self._oom_event, self._on_oom_event, self._oom_event)

    @property
    def is_told(self) -> bool:
        """Whether the kernel tells when memory runs out."""
        return self._oom_event is not None

    @property
    def out_of_memory(self) -> bool:
        """Whether the limit was hit, which tells such a death from a crash."""
        return self._over_memory or self._group.oom_kills() > 0

    def touch(self) -> None:
        """Something is going on inside: look often."""
        if self._guard:
            self._guard.touch()

    def sleep(self) -> None:
        """Everything inside stands still."""
        if self._disk:
            self._disk.sleep()
        if self._guard:
            self._guard.sleep()

    def wake(self) -> None:
        self.touch()
        if self._disk:
            self._disk.wake()

    def usage(self) -> Usage:
        return self._gauge.usage(self._disk.bytes if self._disk else None)

    async def aclose(self) -> None:
        """May be called twice."""
        if self._oom_event is not None:
            self._loop.remove_reader(self._oom_event)
            os.close(self._oom_event)
            self._oom_event = None
        for watch in (self._guard, self._disk):
            if watch:
                await watch.aclose()

    def _memory_is_over(self) -> None:
        self._over_memory = True
        self._over()

    def _on_oom_event(self, event: int) -> None:
        """v1 kills one process; Function Compute ends the instance. The event comes before the kill is counted."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(event)
        self._look_for_oom(_OOM_CHECKS)

    def _look_for_oom(self, checks: int) -> None:
        if self._oom_event is None:
            return
        if self._group.oom_kills() > 0:
            self._memory_is_over()
        elif checks > 0:
            self._loop.call_later(_OOM_CHECK_SECONDS, self._look_for_oom, checks - 1)


def limit_processes(init: int) -> None:
    """Without a control group: RLIMIT_NPROC, which counts each user namespace by itself from Linux 5.14 on."""
    release = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])
    if release >= (5, 14):
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(init, resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))
