"""Whose turn it is: the clock jumps when nobody acts, and nobody comes too late."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.instance.platform_clock import PlatformClock
from emulator.journal.journal import Journal
from emulator.model.clock import SystemClock
from emulator.scenario.timeline import Timeline


class Standing(SystemClock):
    def monotonic(self) -> float:  # type: ignore[override]
        return 1_000_000.5


async def rest() -> None:
    pass


BRANCHES = st.lists(st.lists(st.integers(1, 50), max_size=5), min_size=1, max_size=4)


@settings(deadline=None)
@given(branches=BRANCHES, turns=st.integers(0, 6))
def test_branches_go_on_at_their_times_and_in_their_order(branches, turns):
    """Each branch sleeps, calls something that takes `turns` of the loop and no time, and sleeps again."""

    async def main():
        clock = PlatformClock(Journal(Standing()))
        timeline, seen, began = Timeline(clock, rest), [], clock.now()

        async def call(index):
            for _ in range(turns):
                await asyncio.sleep(0)
            seen.append((round(clock.now() - began), index))

        async def branch(index, pauses):
            for pause in pauses:
                await timeline.sleep(pause)
                await timeline.together([timeline.begin(call(index)) for _ in range(2)])

        async def play():
            await timeline.together([timeline.begin(branch(*it)) for it in enumerate(branches)])

        await timeline.begin(play())
        await timeline.aclose()
        wanted = [
            (sum(pauses[: n + 1]), i) for i, pauses in enumerate(branches) for n in range(len(pauses)) for _ in range(2)
        ]
        assert sorted(seen) == sorted(wanted)
        assert [at for at, _ in seen] == sorted(at for at, _ in wanted)

    asyncio.run(main())


def test_a_call_that_runs_holds_the_clock():
    async def main():
        clock = PlatformClock(Journal(Standing()))
        timeline, go_on, log = Timeline(clock, rest), asyncio.Event(), []

        async def slow():
            await go_on.wait()
            log.append(("called", clock.ahead))

        async def sleeper():
            await timeline.sleep(3600.0)
            log.append(("slept", round(clock.ahead)))

        async def play():
            await timeline.together([timeline.begin(slow()), timeline.begin(sleeper())])

        playing = timeline.begin(play())
        for _ in range(20):
            await asyncio.sleep(0)
        assert log == [] and clock.ahead == 0
        go_on.set()
        await playing
        assert log == [("called", 0.0), ("slept", 3600)]
        await timeline.aclose()

    asyncio.run(main())


def test_where_one_branch_fails_the_others_are_given_up():
    async def main():
        clock = PlatformClock(Journal(Standing()))
        timeline, ended = Timeline(clock, rest), []

        async def fails():
            raise ValueError("it")

        async def forever():
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.append(True)

        async def play():
            await timeline.together([timeline.begin(forever()), timeline.begin(fails())])

        try:
            await timeline.begin(play())
        except ValueError as error:
            assert str(error) == "it" and ended == [True]
        else:
            raise AssertionError("it was not told")
        await timeline.aclose()

    asyncio.run(main())


def test_where_the_clock_can_not_be_moved_nobody_sleeps_for_ever():
    async def main():
        clock = PlatformClock(Journal(Standing()))

        async def restless():
            raise OSError("no rest")

        timeline = Timeline(clock, restless)
        try:
            await asyncio.wait_for(timeline.begin(timeline.sleep(3600)), 30)
        except OSError as error:
            assert str(error) == "no rest"
        else:
            raise AssertionError("it was not told")
        await timeline.aclose()

    asyncio.run(main())
