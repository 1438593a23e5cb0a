"""A program that answers when it is let go, for tests of what happens meanwhile."""

from __future__ import annotations

import asyncio

from emulator.instance.instance import Instance
from emulator.model.events import InstanceMoved, InvocationStarted
from emulator.model.invocation import Outcome
from emulator.model.lifecycle import State
from tests.support.core import Core
from tests.support.fake_walls import FakeReply, FakeRequest

HOUR = 3600.0


class Gate:
    """A program that answers when it is let go; bodies that begin with `quick` at once, with `stuck` never."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def __call__(self, request: FakeRequest) -> FakeReply:
        if request.body.startswith(b"stuck"):
            await asyncio.sleep(600)
        if not request.body.startswith(b"quick"):
            await self.open.wait()
        return FakeReply(request.body)


async def begun(c: Core, body: bytes = b"first") -> tuple[asyncio.Task[Outcome], Instance]:
    """An invocation that runs, and its instance."""
    call = asyncio.create_task(c.invoke(body))
    await c.until(lambda e: isinstance(e, InvocationStarted))
    return call, c.scheduler.instances()[0]


async def state_of(c: Core, state: State, instance_id: str) -> InstanceMoved:
    moved = await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is state and e.instance_id == instance_id)
    assert isinstance(moved, InstanceMoved)
    return moved


def frozen(c: Core) -> list[InstanceMoved]:
    c.seen.extend(c.reader.take())
    return [e for e in c.seen if isinstance(e, InstanceMoved) and e.after is State.FROZEN]
