"""Instances go over to the next revision of their function: no invocation meets a patch, and none runs old code."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from msgspec.structs import replace

from emulator.instance.instance import Instance
from emulator.model.events import Event, InstanceMoved, PatchRefused
from emulator.model.function import Revision
from emulator.model.lifecycle import State
from emulator.model.provision import Provision
from emulator.scheduler.handover import Patch
from tests.support.core import HELLO, Core, core


class Patcher:
    """Takes as long as a test wants, and says what it was asked."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.seen: list[tuple[str, State, int]] = []
        self.go = asyncio.Event()
        self.begun = asyncio.Event()

    async def __call__(self, instance: Instance) -> bool:
        self.seen.append((instance.id, instance.state, instance.in_flight))
        self.begun.set()
        await self.go.wait()
        return self.answers.pop(0) if self.answers else True


def over(made: Core, patch: Patch) -> Revision:
    """The function has another revision, to which its instances are handed over."""
    old = made.revision
    made.revision = Revision(old.function, old.number + 1, "e" * 8, None)
    made.scheduler.hand_over(old, made.revision, patch)
    return made.revision


async def lease(made: Core) -> Instance:
    return await made.scheduler.lease(made.revision, "request")


@contextlib.asynccontextmanager
async def one_instance(**limits: object) -> AsyncIterator[tuple[Core, Instance]]:
    async with core(**limits) as made:
        instance = await lease(made)
        yield made, instance


def births(made: Core) -> int:
    return len(made.walls.made)


def test_an_idle_instance_goes_over_and_keeps_its_process() -> None:
    async def scene() -> None:
        async with one_instance() as (made, instance):
            instance.give_back()
            patcher = Patcher()
            new = over(made, patcher)
            waiting = asyncio.create_task(lease(made))
            await patcher.begun.wait()
            assert patcher.seen == [(instance.id, State.BUSY, instance.capacity)]
            assert not waiting.done()
            patcher.go.set()
            assert await waiting is instance
            assert instance.revision is new and births(made) == 1
            instance.give_back()

    asyncio.run(scene())


def test_what_runs_ends_on_the_old_code_first() -> None:
    async def scene() -> None:
        async with one_instance() as (made, instance):
            old, patcher = made.revision, Patcher()
            patcher.go.set()
            over(made, patcher)
            waiting = asyncio.create_task(lease(made))
            await asyncio.sleep(0)
            assert patcher.seen == [] and instance.revision is old
            instance.give_back()
            assert await waiting is instance
            assert len(patcher.seen) == 1 and instance.revision is made.revision
            instance.give_back()

    asyncio.run(scene())


def test_who_waited_for_the_old_code_is_served_by_it() -> None:
    async def scene() -> None:
        async with one_instance(patience=60.0) as (made, instance):
            old = made.revision
            earlier = asyncio.create_task(made.scheduler.lease(old, "earlier"))
            await asyncio.sleep(0)
            patcher = Patcher()
            patcher.go.set()
            over(made, patcher)
            later = asyncio.create_task(lease(made))
            instance.give_back()
            assert await earlier is instance and instance.revision is old and patcher.seen == []
            instance.give_back()
            assert await later is instance and instance.revision is made.revision
            instance.give_back()

    asyncio.run(scene())


def test_an_instance_that_can_not_take_it_is_replaced() -> None:
    async def scene() -> None:
        async with one_instance() as (made, instance):
            instance.give_back()
            patcher = Patcher(False)
            patcher.go.set()
            over(made, patcher)
            another = await lease(made)
            assert another is not instance and another.revision is made.revision
            assert births(made) == 2 and instance.condemned is not None
            another.give_back()

    asyncio.run(scene())


def test_a_frozen_instance_is_thawed_for_it() -> None:
    async def scene() -> None:
        async with one_instance(freeze=True, freeze_after=0.0) as (made, instance):
            instance.give_back()
            await made.until(lambda event: getattr(event, "after", None) is State.FROZEN)
            patcher = Patcher()
            patcher.go.set()
            over(made, patcher)
            taken = await lease(made)
            assert taken is instance and patcher.seen == [(instance.id, State.BUSY, instance.capacity)]
            instance.give_back()

    asyncio.run(scene())


def test_two_changes_in_a_row_are_taken_one_after_the_other() -> None:
    async def scene() -> None:
        async with one_instance() as (made, instance):
            instance.give_back()
            first, second = Patcher(), Patcher()
            over(made, first)
            await first.begun.wait()
            newest = over(made, second)
            waiting = asyncio.create_task(lease(made))
            await asyncio.sleep(0)
            assert second.seen == []
            first.go.set()
            second.go.set()
            assert await waiting is instance and instance.revision is newest
            assert births(made) == 1
            instance.give_back()

    asyncio.run(scene())


def test_nobody_waits_for_ever_for_an_instance_that_is_busy() -> None:
    async def scene() -> None:
        async with one_instance(over_patience=0.05) as (made, instance):
            patcher = Patcher()
            over(made, patcher)
            another = await lease(made)
            assert another is not instance and patcher.seen == []
            another.give_back()
            instance.give_back()
            assert instance.state is State.STOPPING

    asyncio.run(scene())


def test_one_at_a_breakpoint_stays_behind_and_that_is_said() -> None:
    async def scene() -> None:
        async with one_instance(over_patience=0.05) as (made, instance):
            patcher = Patcher()
            instance.pause()
            over(made, patcher)
            another = await lease(made)
            assert another is not instance and patcher.seen == []
            told = await made.until(lambda event: isinstance(event, PatchRefused))
            assert told.reason == "it stands in the debugger"
            another.give_back()
            instance.resume()
            instance.give_back()

    asyncio.run(scene())


def test_one_that_dies_meanwhile_is_replaced() -> None:
    async def scene() -> None:
        async with one_instance() as (made, instance):
            instance.give_back()
            patcher = Patcher(False)
            over(made, patcher)
            await patcher.begun.wait()
            await instance.sandbox.kill()
            patcher.go.set()
            another = await lease(made)
            assert another is not instance and instance.ended
            another.give_back()

    asyncio.run(scene())


def test_provisioned_instances_leave_no_gap() -> None:
    async def scene() -> None:
        async with core(function=replace(HELLO, provisioned=Provision(2))) as made:
            made.scheduler.deploy(made.revision)
            idle: set[str] = set()

            def are_idle(event: Event) -> bool:
                if isinstance(event, InstanceMoved) and event.after is State.IDLE:
                    idle.add(event.instance_id)
                return len(idle) == 2

            await made.until(are_idle)
            before = set(made.scheduler.instances())
            patcher = Patcher()
            patcher.go.set()
            new = over(made, patcher)
            taken = await lease(made)
            taken.give_back()
            assert len(patcher.seen) == 2 and births(made) == 2
            assert {it for it in made.scheduler.instances() if it.revision is new} == before

    asyncio.run(scene())


def test_the_end_of_the_emulator_does_not_wait_for_it() -> None:
    async def scene() -> None:
        async with one_instance() as (made, instance):
            patcher = Patcher()
            over(made, patcher)
            await asyncio.sleep(0)
            ending = asyncio.create_task(made.scheduler.aclose())
            await asyncio.sleep(0)
            instance.give_back()
            await ending
            assert patcher.seen == [] and instance.ended

    asyncio.run(scene())
