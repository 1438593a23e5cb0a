"""Minimum instances that follow a schedule: made and let go as the platform's clock says."""

from __future__ import annotations

import asyncio
import time

from msgspec.structs import replace

from emulator.model.function import Function, Revision
from emulator.model.lifecycle import State
from emulator.model.platform_events import MinimumChanged
from emulator.model.provision import Provision, ScheduledAction
from emulator.model.schedules import At
from tests.support.core import HELLO, Core, core
from tests.support.fake_walls import FakeReply, FakeRequest

HOUR = 3600.0


def scheduled(*targets: int, default: int = 0, end: float | None = None) -> Function:
    """One target an hour from now on."""
    now = time.time()
    actions = tuple(
        ScheduledAction(f"a{hour}", target, At(now + hour * HOUR), end=None if end is None else now + end * HOUR)
        for hour, target in enumerate(targets, 1)
    )
    return replace(HELLO, provisioned=Provision(default, actions))


def awake(c: Core) -> list[bool]:
    return [it.provisioned for it in c.scheduler.instances() if it.state is State.IDLE]


def changes(c: Core) -> list[tuple[int, str]]:
    c.seen.extend(c.reader.take())
    return [(event.target, event.action) for event in c.seen if isinstance(event, MinimumChanged)]


def test_it_goes_up_and_down():
    async def main():
        async with core(function=scheduled(2, 3, 1, default=1, end=3.5), keep_alive=100 * HOUR) as c:
            c.scheduler.deploy(c.revision)
            await c.scheduler.platform.settled()
            seen = [len(awake(c))]
            for _ in range(4):
                await c.scheduler.platform.advance(HOUR)
                seen.append(len(awake(c)))
            assert seen == [1, 2, 3, 1, 1]
            assert changes(c) == [(2, "a1"), (3, "a2"), (1, "a3"), (1, "")]

    asyncio.run(main())


def test_one_advance_over_all_of_it_ends_where_the_last_one_left_it():
    async def main():
        async with core(function=scheduled(3, 0, 2)) as c:
            c.scheduler.deploy(c.revision)
            assert c.scheduler.instances() == []
            await c.scheduler.platform.advance(10 * HOUR)
            assert awake(c) == [True, True]
            assert len(c.walls.made) == 5, "each that came was done before the next"

    asyncio.run(main())


def test_what_came_before_it_was_deployed_holds():
    async def main():
        action = ScheduledAction("morning", 2, At(time.time() - 60))
        async with core(function=replace(HELLO, provisioned=Provision(0, (action,)))) as c:
            c.scheduler.deploy(c.revision)
            await c.scheduler.platform.settled()
            assert awake(c) == [True, True] and changes(c) == [(2, "morning")]
            # A new revision of the same is no news.
            c.scheduler.withdraw(c.revision)
            second = Revision(c.revision.function, 2, "g" * 8, None)
            c.scheduler.deploy(second)
            await c.scheduler.platform.settled()
            ready = [it for it in c.scheduler.instances() if it.revision is second and it.state is State.IDLE]
            assert len(ready) == 2 and len(changes(c)) == 1

    asyncio.run(main())


def test_a_busy_instance_is_let_go_when_it_is_done():
    async def main():
        at_work, finish = asyncio.Event(), asyncio.Event()

        async def program(request: FakeRequest) -> FakeReply:
            at_work.set()
            await finish.wait()
            return FakeReply(b"done")

        async with core(program, scheduled(1, 0)) as c:
            c.scheduler.deploy(c.revision)
            await c.scheduler.platform.advance(1.5 * HOUR)
            call = asyncio.create_task(c.invoke())
            await at_work.wait()
            await c.scheduler.platform.advance(HOUR)
            [instance] = c.scheduler.instances()
            assert instance.state is State.BUSY
            finish.set()
            outcome = await call
            assert outcome.body == b"done" and not outcome.report.cold
            await c.scheduler.platform.settled()
            assert c.scheduler.instances() == []

    asyncio.run(main())


def test_what_is_withdrawn_follows_no_schedule_any_more():
    async def main():
        async with core(function=scheduled(2)) as c:
            c.scheduler.deploy(c.revision)
            c.scheduler.withdraw(c.revision)
            await c.scheduler.platform.advance(2 * HOUR)
            assert c.scheduler.instances() == [] and c.walls.made == [] and changes(c) == []

    asyncio.run(main())
