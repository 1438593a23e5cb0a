"""A birth that is given up while its bootstrap is asked whether it is ready leaves no connection open."""

from __future__ import annotations

import asyncio

from emulator.instance import readiness
from emulator.instance.deadlines import Deadlines
from emulator.journal.journal import Journal
from tests.support.core import HELLO, PAUSING, FakeMaker, Revision
from tests.support.fake_walls import FakeWalls


class Standing(asyncio.Event):
    """Of a process that accepts a connection as soon as it is started, and answers when it is told to."""

    def set(self) -> None: ...

    def go_on(self) -> None:
        super().set()


def test_the_connection_goes_with_it():
    async def main():
        walls = FakeWalls()
        maker = FakeMaker(walls, Journal(), PAUSING)
        instance = await maker.make(
            Revision(HELLO, 1, "f" * 8, None),
            capacity=1,
            provisioned=False,
            deadlines=Deadlines(5.0),
            changed=lambda _: None,
        )
        (sandbox,) = walls.made
        sandbox.running = standing = Standing()
        async with asyncio.timeout(20):
            birth = asyncio.create_task(readiness.give_birth(instance, "request", 60.0))
            while not sandbox._writers:
                await asyncio.sleep(0.005)
            birth.cancel()
            await asyncio.wait([birth])
            standing.go_on()
            while sandbox._writers:  # until the other end has heard of it
                await asyncio.sleep(0.005)
        await sandbox.kill()
        await sandbox.aclose()

    asyncio.run(main())
