"""Instances and their parts of a card: what is born, waits, is refused, and gives back, in the scheduler itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from emulator.gpu.cards import Found
from emulator.gpu.pool import GpuPool
from emulator.model.errors import ResourceExhausted, ResourceThrottled
from emulator.model.events import GpuHeld
from emulator.model.function import FunctionName, Gpu, Hook, Revision
from emulator.model.gpu import Card, GpuLimit, GpuMode, Vendor
from emulator.model.launch import Exit
from emulator.model.lifecycle import State, StopReason
from tests.support.core import HELLO, Core, core
from tests.support.fake_walls import FakeReply, FakeRequest

HALF = replace(HELLO, gpu=Gpu("fc.gpu.tesla.1", 8192))
WHOLE = replace(HELLO, name=FunctionName("whole"), gpu=Gpu("fc.gpu.tesla.1", 16384))
CARDS = (Card(Vendor.NVIDIA, 0, "GPU-0", "Tesla T4", 15360),)


def pool_of(*cards: Card, tell: Callable[[str], object] = lambda text: None) -> GpuPool:
    return GpuPool(GpuMode.AUTO, GpuLimit.WARN, tell=tell, find=lambda: Found(cards))


class Held:
    """A program that answers when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.calls = 0

    async def __call__(self, request: FakeRequest) -> FakeReply:
        self.calls += 1
        await self.go.wait()
        return FakeReply(request.body)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def test_two_slices_fit_and_the_third_request_gets_429():
    async def main():
        program, cards = Held(), pool_of(*CARDS)
        async with core(program, HALF, cards=cards) as c:
            two = [asyncio.create_task(c.invoke(b"x")) for _ in range(2)]
            await until(lambda: program.calls == 2)
            assert len(cards.held) == 2
            with pytest.raises(ResourceThrottled, match="GPU memory is in use") as refused:
                await c.invoke(b"third")
            assert "fc.gpu.tesla.1 asks for 8192 MB, and free are 0 of 16384 MB of Tesla T4" in str(refused.value)
            program.go.set()
            await asyncio.gather(*two)
        assert cards.held == []

    asyncio.run(main())


def test_the_third_waits_where_requests_may_wait():
    async def main():
        program, cards = Held(), pool_of(*CARDS)
        async with core(program, HALF, cards=cards, queue_timeout=30.0) as c:
            three = [asyncio.create_task(c.invoke(b"x")) for _ in range(3)]
            await until(lambda: program.calls == 2)
            await c.until(lambda e: isinstance(e, GpuHeld) and e.free_mb == 0)
            program.go.set()
            assert [it.body for it in await asyncio.gather(*three)] == [b"x"] * 3
            assert len(c.walls.made) == 2

    asyncio.run(main())


def test_a_crash_gives_the_slice_back_and_who_waits_for_it_is_served():
    async def main():
        program, cards = Held(), pool_of(*CARDS)
        async with core(program, WHOLE, cards=cards, queue_timeout=30.0) as c:
            first = asyncio.create_task(c.invoke(b"first"))
            await until(lambda: program.calls == 1)
            second = asyncio.create_task(c.invoke(b"second"))
            await asyncio.sleep(0)
            c.walls.made[0].die(Exit(None, 9))
            assert (await first).error is not None
            program.go.set()
            assert (await second).body == b"second"
        assert cards.held == []

    asyncio.run(main())


def test_a_request_right_after_a_crash_waits_for_what_the_dead_one_gives_back():
    async def main():
        cards = pool_of(*CARDS)
        async with core(function=WHOLE, cards=cards) as c:
            await c.invoke(b"one")
            c.walls.made[0].die(Exit(1))
            await asyncio.sleep(0)  # it is known to be dead, and not cleared away
            assert (await c.invoke(b"two")).body == b"two"

    asyncio.run(main())


def test_an_idle_instance_of_another_function_makes_room():
    async def main():
        cards = pool_of(*CARDS)
        async with core(function=HALF, cards=cards) as c:
            await c.invoke(b"one")
            other = Revision(WHOLE, 1, "f" * 8, None)
            async with c.dispatcher.invoke(replace(c.call(b"two"), revision=other)) as outcome:
                assert outcome.body == b"two"
            ended = c.scheduler.instances()
            assert [it.function for it in ended] == ["whole"]
            moved = await c.until(lambda e: getattr(e, "reason", "") == StopReason.DISPLACED.value)
            assert moved.function == "hello"

    asyncio.run(main())


def test_one_that_is_about_to_stand_still_is_waited_for():
    async def main():
        program, cards = Held(), pool_of(*CARDS)
        function = replace(HALF, pre_freeze=Hook("index.pre_freeze", 90))
        async with core(program, function, cards=cards, freeze=True, freeze_after=0.0) as c:
            first = asyncio.create_task(c.invoke(b"one"))
            await until(lambda: program.calls == 1)
            program.go.set()
            await asyncio.sleep(0)
            program.go.clear()
            await first
            await until(lambda: program.calls == 2)  # its hook, which takes a while
            assert [it.state for it in c.scheduler.instances()] == [State.FREEZING]
            second = asyncio.create_task(c.invoke(b"two", revision=Revision(WHOLE, 1, "f" * 8, None)))
            await asyncio.sleep(0.01)
            assert not second.done()
            program.go.set()
            assert (await second).body == b"two"

    asyncio.run(main())


def test_a_busy_instance_of_another_function_is_left_alone():
    async def main():
        program, cards = Held(), pool_of(*CARDS)
        async with core(program, HALF, cards=cards) as c:
            first = asyncio.create_task(c.invoke(b"one"))
            await until(lambda: program.calls == 1)
            other = Revision(WHOLE, 1, "f" * 8, None)
            with pytest.raises(ResourceThrottled, match="GPU memory is in use"):
                async with c.dispatcher.invoke(replace(c.call(b"two"), revision=other)):
                    pass
            program.go.set()
            assert (await first).body == b"one"

    asyncio.run(main())


def test_who_waits_is_served_when_another_functions_instance_has_become_idle():
    async def main():
        program, cards = Held(), pool_of(*CARDS)
        async with core(program, HALF, cards=cards, queue_timeout=3600.0) as c:
            first = asyncio.create_task(c.invoke(b"one"))
            await until(lambda: program.calls == 1)
            other = Revision(WHOLE, 1, "f" * 8, None)

            async def second() -> bytes:
                async with c.dispatcher.invoke(replace(c.call(b"two"), revision=other)) as outcome:
                    return outcome.body

            waiting = asyncio.create_task(second())
            await asyncio.sleep(0)
            program.go.set()
            assert (await first).body == b"one"
            async with asyncio.timeout(10):
                assert await waiting == b"two"

    asyncio.run(main())


def test_functions_without_a_gpu_are_not_kept_waiting():
    async def main():
        cards = pool_of(*CARDS)
        async with core(cards=cards) as c:
            await asyncio.gather(*(c.invoke(b"x") for _ in range(5)))
            assert cards.held == []

    asyncio.run(main())


def test_without_a_card_functions_run_and_it_is_told_once():
    async def main():
        told: list[str] = []
        async with core(function=HALF, cards=pool_of(tell=told.append)) as c:
            await asyncio.gather(*(c.invoke(b"x") for _ in range(5)))
        assert len(told) == 1 and "`--gpu fake`" in told[0]

    asyncio.run(main())


def test_a_birth_that_fails_gives_back_what_it_claimed():
    async def main():
        cards = pool_of(*CARDS)
        async with core(function=WHOLE, cards=cards) as c:
            make = c.scheduler._nursery._maker.make

            async def broken(*args: object, **fields: object) -> object:
                raise ResourceExhausted("no walls")

            c.scheduler._nursery._maker.make = broken
            with pytest.raises(ResourceExhausted):
                await c.invoke(b"x")
            assert cards.held == []
            c.scheduler._nursery._maker.make = make
            assert (await c.invoke(b"y")).body == b"y"

    asyncio.run(main())


def test_a_frozen_instance_says_what_it_keeps():
    async def main():
        cards = pool_of(*CARDS)
        async with core(function=HALF, cards=cards, freeze=True, freeze_after=0.0) as c:
            await c.invoke(b"x")
            held = await c.until(lambda e: isinstance(e, GpuHeld) and e.what == "idle")
            assert (held.size_mb, held.free_mb, held.cards) == (8192, 8192, ("Tesla T4",))
            assert len(cards.held) == 1

    asyncio.run(main())


ACTIONS = ("call half", "call whole", "crash", "retire", "answer", "withdraw")


# A double that dies while it accepts leaves its end of a connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 5)), max_size=12))
def test_whatever_crashes_and_ends_no_card_is_overcommitted_and_all_comes_back(steps):
    async def main():
        cards = pool_of(*CARDS, replace(CARDS[0], index=1, uuid="GPU-1"))
        async with core(Held(), HALF, cards=cards, queue_timeout=3600.0) as c:
            calls: list[asyncio.Task[object]] = []
            revisions = {"half": c.revision, "whole": Revision(WHOLE, 1, "f" * 8, None)}
            for action, number in steps:
                await _act(c, action, number, calls, revisions)
                await asyncio.sleep(0)
                by_card = {
                    card.uuid: sum(s.size_mb for s in cards.held if card in s.cards)
                    for s in cards.held
                    for card in s.cards
                }
                assert all(used <= CARDS[0].size_mb for used in by_card.values())
            c.walls.program.go.set()
            async with asyncio.timeout(20):
                await asyncio.gather(*calls, return_exceptions=True)
        assert cards.held == [] and cards.room(HALF.gpu) == 4

    asyncio.run(main())


async def _act(
    c: Core, action: str, number: int, calls: list[asyncio.Task[object]], revisions: dict[str, Revision]
) -> None:
    alive = [it for it in c.scheduler.instances() if it.state not in (State.STOPPING, State.STOPPED)]
    if action.startswith("call"):
        revision = revisions[action.removeprefix("call ")]

        async def call() -> None:
            async with c.dispatcher.invoke(replace(c.call(b"x"), revision=revision)):
                pass

        calls.append(asyncio.create_task(call()))
        for _ in range(number):
            await asyncio.sleep(0.001)
    elif action == "crash" and alive:
        c.walls.made[number % len(c.walls.made)].die(Exit(None, 11))
    elif action == "retire" and alive:
        alive[number % len(alive)].condemn(StopReason.REPLACED)
    elif action == "answer":
        c.walls.program.go.set()
        await asyncio.sleep(0.001)
        c.walls.program.go.clear()
    elif action == "withdraw":
        old = revisions["whole"]
        revisions["whole"] = Revision(WHOLE, old.number + 1, "f" * 8, None)
        c.scheduler.withdraw(old)
