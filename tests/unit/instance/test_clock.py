"""An instance's own time: it stands while the instance is paused, and is exact again afterwards."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.instance.clock import InstanceClock, Timing
from tests.support.fake_time import FakeTime


class Limited:
    """Something that has a limit; `expired` is when it did, in plain time."""

    def __init__(self, time: FakeTime) -> None:
        self.ended = False
        self.expired: list[float] = []
        self._time = time

    def expire(self) -> None:
        self.ended = True
        self.expired.append(self._time.now - 1000.0)


class Desk:
    """A clock and a limit of ten seconds on it, begun now."""

    def __init__(self, timing: Timing | None = None, seconds: float = 10.0) -> None:
        self.time = FakeTime()
        self.clock = InstanceClock(self.time.monotonic, timing or Timing(grace=3.0), self.time.call_later)
        self.what = Limited(self.time)
        self.count_down(seconds)

    def count_down(self, seconds: float) -> None:
        now = self.time.now
        self.clock.count_down(self.what, seconds, now, self.clock.stood(now))

    def pause(self, seconds: float) -> None:
        self.clock.pause(self.time.now)
        self.time.run(seconds)
        self.clock.resume(self.time.now)


def test_without_a_pause_a_limit_is_a_limit():
    desk = Desk()
    desk.time.run(9.999)
    assert desk.what.expired == []
    desk.time.run(1)
    assert desk.what.expired == [10.0]


def test_a_pause_longer_than_the_limit_leaves_what_was_left():
    desk = Desk()
    desk.time.run(4)
    desk.pause(3600)
    desk.time.run(20)
    assert desk.what.expired == [3610.0]
    assert desk.clock.stood(desk.time.now) == 3600


def test_after_a_resume_at_least_the_grace_is_left():
    desk = Desk()
    desk.time.run(9)
    desk.pause(100)
    desk.time.run(1)
    desk.pause(100)
    desk.time.run(20)
    assert desk.what.expired == [9 + 100 + 1 + 100 + 3]


def test_a_resume_before_it_began_gives_a_limit_no_grace():
    desk = Desk()
    desk.what.ended = True
    desk.pause(5)
    desk.what = Limited(desk.time)
    desk.count_down(1.0)
    desk.time.run(10)
    assert desk.what.expired == [6.0]


def test_pause_and_resume_may_be_said_twice():
    desk = Desk()
    desk.time.run(1)
    desk.clock.pause(desk.time.now)
    desk.time.run(5)
    desk.pause(5)
    desk.clock.resume(desk.time.now)
    desk.time.run(30)
    assert desk.what.expired == [20.0]


def test_a_limit_that_begins_during_a_pause_begins_with_the_resume():
    desk = Desk()
    desk.what.ended = True
    desk.clock.pause(desk.time.now)
    desk.time.run(2)
    desk.what = Limited(desk.time)
    desk.count_down(10.0)
    desk.time.run(100)
    desk.clock.resume(desk.time.now)
    desk.time.run(100)
    assert desk.what.expired == [112.0]


def test_real_time_runs_on():
    desk = Desk(Timing("real"))
    desk.time.run(9)
    desk.clock.pause(desk.time.now)
    desk.time.run(5)
    assert desk.what.expired == [10.0]
    assert desk.clock.stood(desk.time.now) == 0


def test_off_ends_nothing_as_long_as_a_debugger_is_attached():
    desk = Desk(Timing("off"))
    desk.clock.attach(True)
    desk.time.run(1000)
    assert desk.what.expired == []
    desk.clock.attach(False)
    assert desk.what.expired == [1000.0]


def test_off_without_a_debugger_is_a_limit():
    desk = Desk(Timing("off"))
    desk.time.run(11)
    assert desk.what.expired == [10.0]


def test_what_runs_out_of_time_is_shown_first_and_ends_when_it_goes_on():
    desk = Desk()
    asked = []
    desk.clock.stop_first = lambda: asked.append(desk.time.now) or True
    desk.time.run(10)
    assert (len(asked), desk.what.expired) == (1, [])
    desk.time.run(0.2)
    desk.clock.pause(desk.time.now)
    desk.time.run(600)
    assert desk.what.expired == []
    desk.clock.resume(desk.time.now)
    assert desk.what.expired == [10.0 + 0.2 + 600]
    assert len(asked) == 1


def test_from_where_it_ran_out_of_time_steps_may_be_taken():
    desk = Desk()
    desk.clock.stop_first = lambda: True
    desk.time.run(10)
    for _ in range(3):
        desk.clock.pause(desk.time.now)
        desk.time.run(600)
        desk.clock.resume(desk.time.now, stepping=True)
        desk.time.run(0.1)
    assert desk.what.expired == []
    desk.time.run(600)
    assert desk.what.expired == [pytest.approx(10 + 3 * 600 + 2 * 0.1 + 3)]


def test_code_that_can_not_be_paused_ends_after_the_grace():
    desk = Desk()
    desk.clock.stop_first = lambda: True
    desk.time.run(600)
    assert desk.what.expired == [13.0]


def test_what_has_ended_is_not_shown_and_leaves_no_timer():
    desk = Desk()
    asked = []
    desk.clock.stop_first = lambda: asked.append(1) or True
    desk.time.run(1)
    desk.pause(60)
    desk.what.ended = True
    desk.time.run(60)
    assert (asked, desk.what.expired, desk.time.armed) == ([], [], 0)


def test_when_the_emulator_stops_no_pause_counts_any_more():
    desk = Desk()
    desk.time.run(4)
    desk.clock.pause(desk.time.now)
    desk.time.run(100)
    desk.clock.run_on()
    desk.clock.pause(desk.time.now)
    desk.time.run(20)
    assert desk.what.expired == [110.0]


STEP = st.tuples(st.sampled_from(["run", "pause", "resume"]), st.integers(0, 7))


@given(st.lists(STEP, max_size=40), st.integers(1, 20), st.integers(0, 5))
def test_whatever_happens_it_runs_for_its_seconds_and_the_graces(steps, seconds, grace):
    """Against the plainest count there is: second by second, what is left goes down while nothing is paused."""
    desk = Desk(Timing(grace=grace), float(seconds))
    left, paused, ran, total = float(seconds), False, 0, 0
    over = None
    for what, length in steps:
        if what == "pause":
            desk.clock.pause(desk.time.now)
            paused = True
        elif what == "resume":
            if paused and over is None and total > 0:
                left = max(left, grace)
            desk.clock.resume(desk.time.now)
            paused = False
        for _ in range(length):
            desk.time.run(1.0)
            total += 1
            if not paused:
                ran += 1
                left -= 1
                if left <= 0 and over is None:
                    over = float(total)
    assert desk.what.expired == ([] if over is None else [over])
    assert desk.clock.stood(desk.time.now) == total - ran
    assert desk.clock.running() == 1000.0 + ran


def test_a_task_under_a_limit_is_interrupted_by_the_clock_and_not_by_time():
    async def main() -> None:
        now = asyncio.get_running_loop().time
        clock = InstanceClock(now, Timing(grace=0.0))
        clock.pause(now())
        with pytest.raises(TimeoutError):
            async with clock.limit(0.01):
                # Much longer than the limit, and nothing happens.
                await asyncio.sleep(0.1)
                clock.resume(now())
                await asyncio.sleep(60)
        async with clock.limit(60.0):
            pass
        await clock.sleep(0.001)

    asyncio.run(main())
