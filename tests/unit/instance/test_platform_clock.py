"""The platform's clock: whatever is due while it is moved ahead happens in order, and is waited for."""

from __future__ import annotations

import asyncio
import gc

from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.instance.platform_clock import PlatformClock, PlatformTimer
from emulator.journal.journal import Journal
from emulator.model.clock import SystemClock
from emulator.model.events import ClockAdvanced

HOUR = 3600.0


class Standing(SystemClock):
    """Real time that does not pass, so that only moving ahead counts."""

    def monotonic(self) -> float:  # type: ignore[override]
        return 1_000_000.5


class Ages:
    """Things that grow old and are done then, by tasks that take some turns of the loop."""

    def __init__(self, dues: list[float], done: list[float], turns: int) -> None:
        self.left = sorted((due, due) for due in dues)
        self.done = done
        self.turns = turns
        self.tasks: set[asyncio.Task[None]] = set()

    def due_in(self) -> float | None:
        return self.left[0][0] if self.left else None

    def age(self, seconds: float) -> None:
        self.left = [(left - seconds, due) for left, due in self.left]
        while self.left and self.left[0][0] <= 0:
            task = asyncio.get_running_loop().create_task(self._do(self.left.pop(0)[1]))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _do(self, due: float) -> None:
        for _ in range(self.turns):
            await asyncio.sleep(0)
        self.done.append(due)

    def busy(self):
        return set(self.tasks)


DUES = st.lists(st.integers(1, 1000), unique=True, max_size=12)


@settings(deadline=None)
@given(dues=DUES, split=st.integers(0, 12), advances=st.lists(st.integers(0, 400), max_size=6), turns=st.integers(0, 5))
def test_what_is_due_happens_once_and_in_the_order_of_its_times(dues, split, advances, turns):
    async def main():
        clock, done = PlatformClock(Journal(Standing())), []
        clock.ages(Ages([float(due) for due in dues[:split]], done, turns))
        for due in dues[split:]:
            clock.call_later(due, lambda due=due: done.append(float(due)))
        for seconds in advances:
            # Between two whole seconds, so that no rounding decides what was due.
            await clock.advance(seconds + (0.5 if clock.ahead == 0 else 0))
            passed = clock.ahead
            assert done == sorted(float(due) for due in dues if due <= passed)

    asyncio.run(main())


def test_a_timer_that_is_set_on_the_way_is_due_on_the_way():
    """A retry and the retries behind it."""

    async def main():
        journal = Journal(Standing())
        clock, times, reader = PlatformClock(journal), [], journal.subscribe()
        began = clock.now()

        async def retry():
            pause = 1.0
            while True:
                await clock.sleep(pause)
                times.append(round(clock.now() - began, 3))
                pause *= 2

        task = asyncio.create_task(retry())
        await asyncio.sleep(0)
        await clock.advance(20.0)
        assert times == [1.0, 3.0, 7.0, 15.0]
        task.cancel()
        steps = [event for event in reader.take() if isinstance(event, ClockAdvanced)]
        assert abs(sum(step.seconds for step in steps) - 20.0) < 1e-3
        assert steps[-1].ahead == clock.ahead

    asyncio.run(main())


def test_a_timer_goes_off_by_itself_and_a_canceled_one_never():
    async def main():
        clock, called = PlatformClock(Journal()), []
        clock.call_later(HOUR, lambda: called.append("canceled")).cancel()
        await clock.sleep(0.001)
        await clock.advance(2 * HOUR)
        assert called == []

    asyncio.run(main())


def test_two_who_move_it_move_it_one_after_the_other():
    async def main():
        clock = PlatformClock(Journal(Standing()))
        clock.ages(Ages([1.0, 2.0, 3.0], done := [], 3))
        await asyncio.gather(clock.advance(2.5), clock.advance(1.0))
        assert done == [1.0, 2.0, 3.0] and abs(clock.ahead - 3.5) < 1e-3

    asyncio.run(main())


def test_timers_that_went_off_are_not_kept():
    """Of a clock that nobody ever moves, in an emulator that runs for days."""

    async def main():
        clock = PlatformClock(Journal())
        for _ in range(50):
            await clock.sleep(0.0)
        gc.collect()
        return sum(isinstance(it, PlatformTimer) for it in gc.get_objects())

    assert asyncio.run(main()) < 10


def test_a_time_of_day_comes_when_the_clock_has_got_there():
    async def main():
        clock, called = PlatformClock(Journal(Standing()), lambda: 5_000_000.0), []
        clock.call_at(clock.time() + 2 * HOUR, lambda: called.append(("day", clock.time())))
        clock.call_later(HOUR, lambda: called.append(("span", clock.time())))
        await clock.advance(3 * HOUR)
        assert called == [("span", 5_000_000.0 + HOUR), ("day", 5_000_000.0 + 2 * HOUR)]
        assert clock.time() == 5_000_000.0 + 3 * HOUR

    asyncio.run(main())


def test_what_is_due_by_the_time_of_day_is_due_sooner_after_the_machine_has_slept():
    async def main():
        unix, called = 5_000_000.0, []
        clock = PlatformClock(Journal(Standing()), lambda: unix)
        clock.call_at(unix + 3 * HOUR, lambda: called.append("day"))
        clock.call_later(2 * HOUR, lambda: called.append("span"))
        unix += 2.5 * HOUR
        clock.look()
        await clock.advance(0.75 * HOUR)
        assert called == ["day"], "an idle time is not over for it"
        await clock.advance(2 * HOUR)
        assert called == ["day", "span"]
        clock.call_at(clock.time() + HOUR, lambda: called.append("missed"))
        await asyncio.sleep(0)
        assert "missed" not in called
        unix += 2 * HOUR
        clock.look()
        while "missed" not in called:
            await asyncio.sleep(0)

    asyncio.run(main())
