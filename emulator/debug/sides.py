"""Several debuggers as one: each language has its own, and looks after the instances that speak it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from emulator.instance.debugger import Debugger
from emulator.instance.instance import Instance
from emulator.model.function import Revision


class Sides:
    """See `instance.debugger.Debugger`."""

    def __init__(self, sides: Sequence[Debugger]) -> None:
        self._sides = tuple(sides)

    def expect(self, instance_id: str, revision: Revision) -> bool:
        return any(side.expect(instance_id, revision) for side in self._sides)

    async def ready(self, instance: Instance) -> None:
        await asyncio.gather(*(side.ready(instance) for side in self._sides))

    async def settle(self, instance: Instance) -> None:
        await asyncio.gather(*(side.settle(instance) for side in self._sides))

    async def sync(self, instance: Instance) -> None:
        await asyncio.gather(*(side.sync(instance) for side in self._sides))

    def done(self, instance: Instance) -> None:
        for side in self._sides:
            side.done(instance)

    def patched(self, instance: Instance) -> None:
        for side in self._sides:
            side.patched(instance)

    def retire(self, instance: Instance) -> None:
        for side in self._sides:
            side.retire(instance)

    def gone(self, instance: Instance) -> None:
        for side in self._sides:
            side.gone(instance)

    def timed_out(self, instance: Instance) -> bool:
        return any(side.timed_out(instance) for side in self._sides)
