"""Memory of a container by the engine's count, where we can not look ourselves."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque

from emulator.model.errors import SandboxError
from emulator.model.launch import Usage
from emulator.model.limits import MB
from emulator.sandbox.container.container import Container

# Each look is a request to the engine.
_BUSY_SECONDS, _IDLE_SECONDS = 0.5, 5.0
_BUSY_FOR_SECONDS = 2.0
_CURVE_POINTS = 64


class EngineGauge:
    """Looks while something goes on inside, and seldom else; never while it is paused. Its peak is the highest seen."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._loop = asyncio.get_running_loop()
        self._used = self._peak = 0
        self._curve: deque[tuple[float, float]] = deque(maxlen=_CURVE_POINTS)
        self._awake = asyncio.Event()
        self._busy = asyncio.Event()
        self._busy_until = 0.0
        self.touch()

    def touch(self) -> None:
        """Something is going on inside."""
        self._busy_until = self._loop.time() + _BUSY_FOR_SECONDS
        self._awake.set()
        self._busy.set()

    def sleep(self) -> None:
        self._awake.clear()

    def usage(self) -> Usage:
        return Usage(self._used / MB, self._peak / MB, None, tuple(self._curve))

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._awake.wait()
            with contextlib.suppress(SandboxError):  # it ends, or the engine is away
                self._note(await self._container.memory())
            if self._loop.time() < self._busy_until:
                await asyncio.sleep(_BUSY_SECONDS)
                continue
            self._busy.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._busy.wait(), _IDLE_SECONDS)

    def _note(self, used: int) -> None:
        self._used, self._peak = used, max(self._peak, used)
        mb = used / MB
        if not self._curve or abs(self._curve[-1][1] - mb) >= 1:
            self._curve.append((time.monotonic(), mb))
