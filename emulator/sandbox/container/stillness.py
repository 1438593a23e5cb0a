"""How a container stands still: by its own freezer where we may write to that, else by the engine's pause."""

from __future__ import annotations

import asyncio
import contextlib

from emulator.model.errors import SandboxError
from emulator.sandbox.container.container import Container
from emulator.sandbox.freezer import Freezer
from emulator.sandbox.groups import Group


class Stillness:
    """The engine knows nothing of our own freeze, and hangs on a container that is frozen so: thaw before it is asked
    for anything."""

    def __init__(self, group: Group, container: Container) -> None:
        self._container = container
        # The engine takes a pause and its end as they come: who thaws waits for the pause that is on its way.
        self._asking = asyncio.Lock()
        self._paused = False
        self._freezer: Freezer | None = None
        with contextlib.suppress(OSError):
            self._freezer = group.freezer()

    @property
    def kind(self) -> str:
        return self._freezer.kind if self._freezer is not None else "pause of the engine"

    async def freeze(self) -> None:
        if self._freezer is not None:
            await self._freezer.freeze()
        else:
            # Who gives it up does not take back what a thread of ours is asking of the engine.
            await asyncio.shield(asyncio.get_running_loop().create_task(self._pause()))

    async def thaw(self) -> None:
        self.thaw_now()
        if self._freezer is None:
            await asyncio.shield(asyncio.get_running_loop().create_task(self._unpause()))

    async def _pause(self) -> None:
        async with self._asking:
            if self._paused:
                return
            try:
                await self._container.pause()
            except SandboxError:
                if not await self._is_paused():
                    raise
            self._paused = True

    async def _unpause(self) -> None:
        async with self._asking:
            if not self._paused:
                return
            try:
                await self._container.unpause()
            except SandboxError:
                if await self._is_paused():
                    raise
            self._paused = False

    async def _is_paused(self) -> bool:
        """What the engine answers on a busy machine may be about an earlier moment; one that has ended is not."""
        try:
            return bool((await self._container.inspect())["State"]["Paused"])
        except SandboxError:
            return False

    def thaw_now(self) -> None:
        """What can be done of it without waiting."""
        if self._freezer is not None:
            with contextlib.suppress(OSError):  # the group went with the container
                self._freezer.thaw()

    def close(self) -> None:
        if self._freezer is not None:
            self._freezer.close()
