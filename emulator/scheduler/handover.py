"""Running instances go over from one revision of a function to the next, where a patch gives them its code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from emulator.instance.instance import Instance
from emulator.journal.journal import Journal
from emulator.model.events import PatchRefused
from emulator.model.lifecycle import State, StopReason
from emulator.scheduler.nursery import Nursery
from emulator.scheduler.pool import Pool, thawed

# A debugger holds an instance for a moment while it gets ready; a breakpoint holds it for longer.
PAUSE_SECONDS = 1.0
MAY_COME = (State.IDLE, State.BUSY, State.FREEZING, State.FROZEN)

# Gives an instance that carries no invocation the code of the next revision. False: it is fit for nothing any more.
Patch = Callable[[Instance], Awaitable[bool]]


class HandOver:
    """From `old` to `new`. No invocation meets a patch: those that run end on the old code before, and nobody else is
    given the instance. What waits for `old` already is served by it first. One that is busy for longer than `patience`
    seconds does not come."""

    def __init__(self, old: Pool, new: Pool, patch: Patch, nursery: Nursery, journal: Journal, patience: float) -> None:
        self.old = old
        self.new = new
        self._patch = patch
        self._nursery = nursery
        self._journal = journal
        self._patience = patience
        self._stirred = asyncio.Event()
        new.awaits = True
        # Those that come over leave no gap that has to be filled.
        old.give_up_provisioning = True

    async def run(self, ended: Callable[[], None]) -> None:
        """Calls `ended` when no more instances come over."""
        try:
            # Of two changes in a row, the first is finished first.
            self.old.on_stir = self._stirred.set
            await self._until(lambda: not self.old.awaits, None)
            coming = [it for it in self.old.instances.values() if _may_come(it)]
            deadline = asyncio.get_running_loop().time() + self._patience
            async with asyncio.TaskGroup() as group:
                for instance in coming:
                    group.create_task(self._bring(instance, deadline))
        finally:
            self.old.on_stir = None
            self.new.awaits = False
            if self.new.on_stir is not None:
                self.new.on_stir()
            ended()

    async def _bring(self, instance: Instance, deadline: float) -> None:
        if not await self._occupied(instance, deadline):
            if self.old.current and not instance.ended:
                why = "it stands in the debugger" if instance.paused else "it is still busy on the old code"
                now, number = self._journal.now(), self.new.revision.number
                self._journal.append(PatchRefused(now, instance.id, instance.function, number, why))
            return
        patched = False
        try:
            patched = await self._patch(instance)
        finally:
            if patched and not instance.ended:
                self._nursery.move(instance, self.old, self.new)
            else:
                instance.condemn(StopReason.REPLACED)
            instance.vacate()

    async def _occupied(self, instance: Instance, deadline: float) -> bool:
        """Wait until it is awake and free, and take it; false where it does not come."""
        while await self._until(
            lambda: instance.paused or not _may_come(instance) or self._is_free(instance), deadline
        ):
            if not _may_come(instance):
                return False
            if instance.paused:
                soon = min(deadline, asyncio.get_running_loop().time() + PAUSE_SECONDS)
                if not await self._until(lambda: not instance.paused, soon):
                    return False
                continue
            if instance.state is State.IDLE:
                instance.occupy()
                return True
            await thawed(instance)
        return False

    def _is_free(self, instance: Instance) -> bool:
        resting = instance.state is State.IDLE or instance.state is State.FROZEN
        return resting and not instance.reserved and not self.old.waiters

    async def _until(self, wanted: Callable[[], bool], deadline: float | None) -> bool:
        """Whether it came to this; false where time is over, or the emulator is stopping."""
        while self.old.current:
            if wanted():
                return True
            self._stirred.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._stirred.wait()
            except TimeoutError:
                return False
        return False


def _may_come(instance: Instance) -> bool:
    return instance.state in MAY_COME and instance.condemned is None and instance.healthy
