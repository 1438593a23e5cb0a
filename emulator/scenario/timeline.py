"""Whose turn it is in a scenario: the clock jumps on when nobody has anything to do before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from emulator.instance.platform_clock import PlatformClock

T = TypeVar("T")


class Timeline:
    """Lets the platform's clock jump to the next moment at which somebody goes on, when nobody acts.

    Who acts is counted, and every change of hands is one step: who is woken acts before the waker rests.
    """

    def __init__(self, clock: PlatformClock, at_rest: Callable[[], Awaitable[None]]) -> None:
        self._clock = clock
        self._at_rest = at_rest
        # Branches and calls that are under way, and when those that sleep go on.
        self._active = 0
        self._waking: dict[asyncio.Future[None], float] = {}
        self._jump: asyncio.Task[None] | None = None

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something that acts until it has ended, but for its own sleeps."""
        self._active += 1
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda _: self._rest())
        return task

    async def together(self, tasks: Sequence[asyncio.Task[T]]) -> list[T]:
        """Results of what was begun, meanwhile at rest. Where one fails, or this is given up, none of them is left."""
        left = {task for task in tasks if not task.done()}

        def ended(task: asyncio.Task[T]) -> None:
            left.discard(task)
            self._active += not left

        if left:
            for task in [*left]:
                task.add_done_callback(ended)
            self._rest()
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def sleep(self, seconds: float) -> None:
        """By the platform's clock; it is jumped over as far as nobody else acts."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if self._waking.pop(woken, None) is not None and not woken.done():
                self._active += 1
                woken.set_result(None)

        self._waking[woken] = self._clock.now() + seconds
        timer = self._clock.call_later(seconds, wake)
        self._rest()
        try:
            await woken
        finally:
            timer.cancel()
            if self._waking.pop(woken, None) is not None:
                self._active += 1

    def _rest(self) -> None:
        self._active -= 1
        # Not before all have heard of it who go on for it.
        asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        if self._active == 0 and self._waking and (self._jump is None or self._jump.done()):
            self._jump = asyncio.get_running_loop().create_task(self._go())
            self._jump.add_done_callback(self._landed)

    def _landed(self, jump: asyncio.Task[None]) -> None:
        """Where the clock could not be moved, whoever sleeps is told: nobody else would wake them."""
        failed = None if jump.cancelled() else jump.exception()
        if failed is not None:
            for woken in [it for it in self._waking if not it.done()]:
                woken.set_exception(failed)

    async def _go(self) -> None:
        while self._active == 0 and self._waking:
            await self._at_rest()
            if self._active:
                return
            await self._clock.advance(max(0.0, min(self._waking.values(), default=0.0) - self._clock.now()))

    async def aclose(self) -> None:
        if self._jump is not None:
            self._jump.cancel()
            await asyncio.wait([self._jump])
