"""The platform's clock moved ahead: idle instances, retries and sessions, and whom it does not concern."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from emulator.dispatch.freshness import AlwaysFresh
from emulator.dispatch.tasks import TaskQueue
from emulator.model.errors import SandboxError
from emulator.model.events import InstanceMoved, InvocationEnded, TaskMoved
from emulator.model.function import Account, Affinity, AsyncPolicy, SessionPolicy
from emulator.model.lifecycle import State
from emulator.model.task import TaskState
from tests.support.core import HELLO, core
from tests.support.fake_walls import FakeReply, FakeRequest

MINUTE = 60.0
FAILED = FakeReply(b"{}", 200, {"x-fc-status": "404"})


def test_an_idle_instance_is_gone_when_the_clock_has_passed_its_time():
    async def main():
        async with core(keep_alive=4 * MINUTE) as c:
            await c.invoke(b"one")
            await c.scheduler.platform.advance(3 * MINUTE)
            assert len(c.scheduler.instances()) == 1
            await c.invoke(b"two")
            await c.scheduler.platform.advance(3 * MINUTE)
            assert len(c.scheduler.instances()) == 1, "it was used three minutes ago"
            await c.scheduler.platform.advance(2 * MINUTE)
            assert c.scheduler.instances() == []

    asyncio.run(main())


def test_instances_go_in_the_order_in_which_they_were_used():
    async def main():
        busy = asyncio.Event()

        async def program(request: FakeRequest) -> FakeReply:
            if request.body == b"first":
                await busy.wait()
            return FakeReply(b"done")

        async with core(program, keep_alive=4 * MINUTE, patience=0.0) as c:
            slow = asyncio.create_task(c.invoke(b"first"))
            quick = await c.invoke(b"second")
            await c.scheduler.platform.advance(MINUTE)
            busy.set()
            late = await slow
            assert late.instance_id != quick.instance_id
            await c.scheduler.platform.advance(10 * MINUTE)
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.instance_id == late.instance_id and gone(e))
            ends = [e.instance_id for e in c.seen if isinstance(e, InstanceMoved) and gone(e)]
            assert ends == [quick.instance_id, late.instance_id]

    asyncio.run(main())


def test_who_calls_later_meets_an_instance_that_was_frozen_long_ago():
    """Not one that is just being frozen, since hours passed in one step."""

    async def main():
        async with core(freeze=True, freeze_after=10.0, keep_alive=4 * MINUTE) as c:
            await c.invoke()
            woken = asyncio.create_task(c.scheduler.platform.sleep(3 * MINUTE))
            await asyncio.sleep(0)
            advancing = asyncio.create_task(c.scheduler.platform.advance(3 * MINUTE))
            await woken
            [instance] = c.scheduler.instances()
            assert instance.state is State.FROZEN
            await advancing
            await c.scheduler.platform.advance(2 * MINUTE)
            assert c.scheduler.instances() == [], "being frozen is no request"

    asyncio.run(main())


def test_an_instance_that_can_not_be_frozen_holds_nothing_up():
    async def main():
        async with core(freeze=True, freeze_after=1.0, keep_alive=4 * MINUTE) as c:
            await c.invoke()
            [instance] = c.scheduler.instances()
            tries = []

            async def refuse() -> None:
                tries.append(1)
                raise SandboxError("it can not be stopped")

            instance.sandbox.freeze = refuse
            await c.scheduler.platform.advance(3 * MINUTE)
            assert 0 < len(tries) < 10 and instance.state is State.IDLE

    asyncio.run(main())


def gone(event: InstanceMoved) -> bool:
    return event.after is State.STOPPED


def test_an_invocation_that_runs_is_not_older_for_it():
    """Its timeout and its duration are real time."""

    async def main():
        go_on = asyncio.Event()

        async def program(request: FakeRequest) -> FakeReply:
            await go_on.wait()
            return FakeReply(b"done")

        async with core(program) as c:
            running = asyncio.create_task(c.invoke())
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is State.IDLE)
            await c.scheduler.platform.advance(60 * MINUTE)
            go_on.set()
            assert (await running).error is None
            ended = await c.until(lambda e: isinstance(e, InvocationEnded))
            assert ended.duration_ms < 60 * MINUTE * 1000

    asyncio.run(main())


def test_one_that_stands_in_the_debugger_waits_for_its_user():
    async def main():
        async with core(keep_alive=4 * MINUTE) as c:
            await c.invoke()
            [instance] = c.scheduler.instances()
            instance.pause()
            await c.scheduler.platform.advance(60 * MINUTE)
            instance.resume()
            await c.scheduler.platform.advance(3 * MINUTE)
            assert c.scheduler.instances() == [instance], "it has been idle for three minutes of its own time"
            await c.scheduler.platform.advance(2 * MINUTE)
            assert c.scheduler.instances() == []

    asyncio.run(main())


def test_reclaim_ends_those_that_nobody_uses():
    async def main():
        async with core() as c:
            await c.invoke()
            assert c.scheduler.reclaim() == 1
            await c.scheduler.platform.settled()
            assert c.scheduler.instances() == [] and c.scheduler.reclaim() == 0

    asyncio.run(main())


def queue(c) -> TaskQueue:
    scheduler = c.scheduler
    return TaskQueue(
        c.dispatcher,
        lambda *_: c.revision,
        c.journal,
        c.clock,
        scheduler.clocks,
        scheduler.platform,
        Account(),
        AlwaysFresh(),
    )


def test_retries_happen_when_the_clock_has_passed_their_pauses():
    async def main():
        async def program(request: FakeRequest) -> FakeReply:
            return FAILED

        function = replace(HELLO, async_policy=AsyncPolicy(max_age=600.0, max_retries=3))
        async with core(program, function) as c:
            tasks = queue(c)
            task = tasks.submit(c.call(b"it"), delay=1800.0)
            await c.scheduler.platform.advance(29 * MINUTE)
            assert (task.state, task.attempts) == (TaskState.ENQUEUED, 0)
            await c.scheduler.platform.advance(2 * MINUTE)
            assert (task.state, task.attempts) == (TaskState.FAILED, 4)
            await tasks.aclose()

    asyncio.run(main())


def test_an_asynchronous_invocation_grows_too_old():
    async def main():
        async def program(request: FakeRequest) -> FakeReply:
            return FAILED

        function = replace(HELLO, async_policy=AsyncPolicy(max_age=2.0, max_retries=8))
        async with core(program, function) as c:
            tasks = queue(c)
            task = tasks.submit(c.call(b"it"))
            await c.until(lambda e: isinstance(e, TaskMoved) and e.state == TaskState.RETRYING.value)
            await c.scheduler.platform.advance(10.0)
            assert task.state is TaskState.EXPIRED and task.attempts < 9
            await tasks.aclose()

    asyncio.run(main())


def test_a_session_ends_when_the_clock_has_passed_its_idle_timeout():
    async def main():
        policy = SessionPolicy(Affinity.HEADER_FIELD, header="x-session", idle_timeout=60.0, ttl=3600.0)
        function = replace(HELLO, runtime="custom.debian10", session=policy)
        async with core(function=function) as c:
            await c.invoke(headers=((b"x-session", b"mine"),))
            assert c.dispatcher.live_sessions == 1
            await c.scheduler.platform.advance(61.0)
            assert c.dispatcher.live_sessions == 0

    asyncio.run(main())
