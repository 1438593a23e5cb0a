"""An instance that a debugger has paused is left alone, and who waits for it waits."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from emulator.dispatch.freshness import AlwaysFresh
from emulator.dispatch.tasks import TaskQueue
from emulator.instance.debugger import JOINING
from emulator.model.errors import ResourceExhausted, StartFailed
from emulator.model.events import (
    HookEnded,
    InstanceMoved,
    InvocationStarted,
    TaskMoved,
)
from emulator.model.function import Account, Affinity, AsyncPolicy, Hook, SessionPolicy
from emulator.model.launch import Exit
from emulator.model.lifecycle import State
from emulator.model.task import TaskState
from tests.support.core import HELLO, core
from tests.support.fake_walls import FakeReply, FakeRequest
from tests.support.paused import HOUR, Gate, begun, frozen, state_of


def test_a_paused_instance_is_not_given_another_request_but_a_new_one_is_made():
    async def main():
        async with core(gate := Gate(), replace(HELLO, instance_concurrency=5), patience=HOUR) as c:
            call, instance = await begun(c)
            instance.pause()
            second = await c.invoke(b"quick")
            assert second.instance_id != instance.id
            assert not call.done()
            instance.resume()
            gate.open.set()
            assert (await call).body == b"first"

    asyncio.run(main())


def test_an_instance_in_which_a_debugger_gets_ready_is_waited_for():
    async def main():
        async with core(Gate(), patience=0.0) as c:
            first = await c.invoke(b"quick")
            [instance] = c.scheduler.instances()
            instance.pause(JOINING)
            second = asyncio.create_task(c.invoke(b"quick"))
            await asyncio.sleep(0)
            c.later(HOUR)
            await asyncio.sleep(0)
            assert (second.done(), len(c.walls.made)) == (False, 1)
            instance.resume(JOINING)
            assert (await second).instance_id == first.instance_id

    asyncio.run(main())


def test_whom_a_debugger_keeps_waiting_after_all_is_given_a_new_one():
    async def main():
        async with core(Gate(), patience=0.0) as c:
            await c.invoke(b"quick")
            [instance] = c.scheduler.instances()
            instance.pause(JOINING)
            second = asyncio.create_task(c.invoke(b"quick"))
            await asyncio.sleep(0)
            assert len(c.walls.made) == 1
            instance.pause()
            instance.resume(JOINING)
            assert (await second).instance_id != instance.id
            instance.resume()

    asyncio.run(main())


def test_whom_an_instance_is_born_for_waits_while_a_debugger_holds_it():
    async def main():
        gate = Gate()
        async with core(gate, replace(HELLO, initializer=Hook("index.init", 3))) as c:
            call = asyncio.create_task(c.invoke(b"quick"))
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is State.INITIALIZING)
            [instance] = c.scheduler.instances()
            instance.pause()
            gate.open.set()
            await c.until(lambda e: isinstance(e, HookEnded))
            c.later(HOUR)
            await asyncio.sleep(0)
            assert (instance.state, len(c.walls.made)) == (State.INITIALIZING, 1)
            instance.resume()
            assert (await call).instance_id == instance.id
            assert len(c.walls.made) == 1

    asyncio.run(main())


@pytest.mark.parametrize("turns", range(8))
def test_a_debugger_that_holds_an_instance_anew_finds_no_gap_at_the_end_of_its_birth(turns: int):
    async def main():
        gate = Gate()
        async with core(gate, replace(HELLO, initializer=Hook("index.init", 3))) as c:
            call = asyncio.create_task(c.invoke(b"quick"))
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is State.INITIALIZING)
            [instance] = c.scheduler.instances()
            instance.pause()
            gate.open.set()
            await c.until(lambda e: isinstance(e, HookEnded))
            instance.resume()
            for _ in range(turns):
                await asyncio.sleep(0)
            instance.pause()
            await asyncio.sleep(0.01)
            instance.resume()
            assert (await call).instance_id == instance.id
            assert len(c.walls.made) == 1

    asyncio.run(main())


def test_an_instance_that_dies_in_the_debugger_before_it_is_born_is_told():
    async def main():
        gate = Gate()
        async with core(gate, replace(HELLO, initializer=Hook("index.init", 3))) as c:
            call = asyncio.create_task(c.invoke(b"quick"))
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is State.INITIALIZING)
            [instance] = c.scheduler.instances()
            instance.pause()
            gate.open.set()
            await c.until(lambda e: isinstance(e, HookEnded))
            c.walls.made[0].die(Exit(1))
            with pytest.raises(StartFailed):
                await call
            assert not instance.paused

    asyncio.run(main())


def test_at_the_limit_a_request_waits_for_an_instance_that_has_a_place_when_it_goes_on():
    async def main():
        async with core(gate := Gate(), replace(HELLO, instance_concurrency=2, max_instances=1)) as c:
            call, instance = await begun(c)
            instance.pause()
            second = asyncio.create_task(c.invoke(b"quick"))
            await asyncio.sleep(0)
            c.later(HOUR)
            await asyncio.sleep(0)
            assert not second.done()
            instance.resume()
            assert (await second).instance_id == instance.id
            gate.open.set()
            await call

    asyncio.run(main())


def test_at_the_limit_patience_does_not_wear_out_during_a_pause():
    async def main():
        async with core(gate := Gate(), replace(HELLO, max_instances=1), queue_timeout=60.0) as c:
            call, instance = await begun(c)
            second = asyncio.create_task(c.invoke(b"quick"))
            await asyncio.sleep(0)
            c.later(30.0)
            instance.pause()
            third = asyncio.create_task(c.invoke(b"quick, but not so soon"))
            await asyncio.sleep(0)
            c.later(HOUR)
            instance.resume()
            c.later(31.0)
            with pytest.raises(ResourceExhausted):
                await second
            gate.open.set()
            assert (await third).instance_id == (await call).instance_id

    asyncio.run(main())


def test_a_birth_in_the_debugger_does_not_hold_up_others():
    async def main():
        gate = Gate()
        function = replace(HELLO, initializer=Hook("index.init", 0.05))
        async with core(gate, function, births_at_once=1) as c:
            first = asyncio.create_task(c.invoke(b"quick"))
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is State.INITIALIZING)
            [instance] = c.scheduler.instances()
            instance.pause()
            second = asyncio.create_task(c.invoke(b"quick"))
            moved = await c.until(
                lambda e: (
                    isinstance(e, InstanceMoved) and e.after is State.INITIALIZING and e.instance_id != instance.id
                )
            )
            other = next(it for it in c.scheduler.instances() if it.id == moved.instance_id)
            other.pause()
            c.later(HOUR)
            gate.open.set()
            other.resume()
            instance.resume()
            assert (await first).error is None and (await second).error is None
            c.seen.extend(c.reader.take())
            hooks = [e for e in c.seen if isinstance(e, HookEnded)]
            assert len(hooks) == 2
            assert all(it.detail == "" and it.duration_ms < 60_000 for it in hooks)
            assert all(it.init_ms < 60_000 for it in c.scheduler.instances())

    asyncio.run(main())


def test_a_paused_instance_is_neither_frozen_nor_reclaimed_and_its_idle_time_is_exact_afterwards():
    async def main():
        async with core(freeze=True, freeze_after=50.0, keep_alive=100.0) as c:
            outcome = await c.invoke()
            [instance] = c.scheduler.instances()
            c.later(20.0)
            instance.pause()
            c.later(HOUR)
            instance.resume()
            c.later(25.0)
            assert instance.state is State.IDLE and frozen(c) == []
            c.later(10.0)
            await state_of(c, State.FROZEN, outcome.instance_id)
            c.later(HOUR)
            assert (await state_of(c, State.STOPPED, outcome.instance_id)).reason == "idle"

    asyncio.run(main())


def test_an_instance_that_stops_in_the_debugger_just_before_its_freeze_is_awake_for_it():
    async def main():
        async with core(freeze=True, freeze_after=50.0) as c:
            await c.invoke()
            [instance] = c.scheduler.instances()
            c.later(51.0)
            await state_of(c, State.FROZEN, instance.id)
            instance.pause()
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.before is State.FROZEN)
            c.later(HOUR)
            await asyncio.sleep(0)
            assert instance.state is State.IDLE
            instance.resume()
            assert (await c.invoke()).instance_id == instance.id

    asyncio.run(main())


def test_a_client_that_leaves_does_not_take_the_instance_from_who_looks_at_it():
    async def main():
        async with core(Gate()) as c:
            call, instance = await begun(c)
            instance.pause()
            call.cancel()
            await asyncio.wait([call])
            c.later(HOUR)
            assert instance.state is State.IDLE and instance.condemned is not None
            instance.resume()
            assert (await state_of(c, State.STOPPED, instance.id)).reason == "canceled"

    asyncio.run(main())


def test_an_old_revision_s_paused_instance_finishes_what_it_is_looked_at_for():
    async def main():
        async with core(gate := Gate()) as c:
            call, instance = await begun(c)
            instance.pause()
            c.scheduler.withdraw(c.revision)
            c.clock.ahead += HOUR
            instance.resume()
            gate.open.set()
            assert (await call).body == b"first"
            assert (await state_of(c, State.STOPPED, instance.id)).reason == "replaced"

    asyncio.run(main())


def test_an_asynchronous_task_does_not_grow_older_in_the_debugger():
    async def main():
        tries = 0
        gate = Gate()

        async def program(request: FakeRequest) -> FakeReply:
            nonlocal tries
            tries += 1
            reply = await gate(request)
            return reply if tries > 1 else FakeReply(b"{}", 200, {"x-fc-status": "404"})

        function = replace(HELLO, async_policy=AsyncPolicy(max_age=60.0, max_retries=1))
        async with core(program, function) as c:
            tasks = TaskQueue(
                c.dispatcher,
                lambda *_: c.revision,
                c.journal,
                c.clock,
                c.scheduler.clocks,
                c.scheduler.platform,
                Account(),
                AlwaysFresh(),
            )
            task = tasks.submit(c.call(b"first"))
            await c.until(lambda e: isinstance(e, InvocationStarted))
            [instance] = c.scheduler.instances()
            instance.pause()
            c.clock.ahead += HOUR
            instance.resume()
            gate.open.set()
            await c.until(lambda e: isinstance(e, TaskMoved) and e.state == TaskState.SUCCEEDED.value)
            assert (task.attempts, tries) == (2, 2)
            await tasks.aclose()

    asyncio.run(main())


def test_a_session_does_not_end_in_the_debugger():
    async def main():
        policy = SessionPolicy(Affinity.HEADER_FIELD, header="x-session", idle_timeout=60.0, ttl=300.0)
        function = replace(HELLO, runtime="custom.debian10", session=policy)
        async with core(gate := Gate(), function) as c:
            headers = ((b"x-session", b"mine"),)
            call = asyncio.create_task(c.invoke(b"first", headers=headers))
            await c.until(lambda e: isinstance(e, InvocationStarted))
            [instance] = c.scheduler.instances()
            instance.pause()
            c.clock.ahead += HOUR
            # Of the same session: it can be served by no other, and is not refused.
            second = asyncio.create_task(c.invoke(b"quick", headers=headers))
            await asyncio.sleep(0)
            instance.resume()
            gate.open.set()
            assert (await second).instance_id == (await call).instance_id == instance.id

    asyncio.run(main())
