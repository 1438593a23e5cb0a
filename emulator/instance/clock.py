"""An instance's own time: it stands still while a debugger has the instance paused."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from typing import Literal, Protocol

from msgspec import Struct


class Timing(Struct, frozen=True):
    """What a pause does to time limits. `pause`: they stand still, and at least `grace` seconds are left of each after
    a resume. `off`: none ends anything while a debugger is attached. `real`: they run on."""

    timeout: Literal["pause", "off", "real"] = "pause"
    grace: float = 3.0


class Limited(Protocol):
    """What has a limit of time. One that has `ended` is not asked to `expire`."""

    @property
    def ended(self) -> bool: ...

    def expire(self) -> None: ...


class Timer(Protocol):
    def cancel(self) -> None: ...


CallLater = Callable[[float, Callable[[], None]], Timer]


def call_later(seconds: float, then: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, then)


def never() -> bool:
    return False


class InstanceClock:
    """Times are those of `now`, in seconds.

    `stop_first` is asked before a limit ends something: true where the debugger pauses the instance instead, so that
    its user sees where it was. What was to end then ends when the instance is resumed.
    """

    __slots__ = (
        "_attached",
        "_call_later",
        "_held",
        "_now",
        "_paused_at",
        "_resumed_at",
        "_stood",
        "stop_first",
        "timing",
    )

    def __init__(
        self,
        now: Callable[[], float],
        timing: Timing,
        call_later: CallLater = call_later,
        *,
        stop_first: Callable[[], bool] = never,
    ) -> None:
        self._now = now
        self._call_later = call_later
        self.timing = timing
        self.stop_first = stop_first
        self._attached = False
        self._paused_at: float | None = None
        self._resumed_at = -math.inf
        self._stood = 0.0
        # Countdowns that wait for the next resume.
        self._held: dict[Countdown, None] = {}

    @property
    def stands(self) -> bool:
        """Whether time stands still now."""
        return self._paused_at is not None

    def stood(self, now: float) -> float:
        """How long it has stood still until `now`, in all."""
        return self._stood if self._paused_at is None else self._stood + max(0.0, now - self._paused_at)

    def running(self) -> float:
        """The instance's own time: only differences mean something."""
        now = self._now()
        return now - self.stood(now)

    def pause(self, now: float) -> None:
        if self._paused_at is None and self.timing.timeout != "real":
            self._paused_at = now
            self._attached = True

    def resume(self, now: float, *, stepping: bool = False) -> None:
        """Run again. What had run out of its time before the pause ends now, or after the grace where the user only
        takes a step."""
        if self._paused_at is not None:
            self._resumed_at = now
            self._stood = self.stood(now)
            self._paused_at = None
        self._look_again(stepping)

    def attach(self, attached: bool) -> None:
        """A debugger has come, or gone."""
        self._attached = attached
        if not attached:
            self._look_again(stepping=False)

    def run_on(self) -> None:
        """Never stand still again, and let every limit end what it is for."""
        self.timing = Timing("real", self.timing.grace)
        self.resume(self._now())

    def left(self, seconds: float, since: float, stood: float) -> float:
        """What is left of `seconds` that began at `since`, when the clock had stood for `stood`; infinite for ever."""
        if self._attached and self.timing.timeout == "off":
            return math.inf
        now = self._now()
        left = seconds - (now - since) + (self.stood(now) - stood)
        if self._resumed_at > since:
            left = max(left, self._resumed_at + self.timing.grace - now)
        return left

    def count_down(self, what: Limited, seconds: float, since: float, stood: float, *, shown: bool = True) -> Countdown:
        """Let `what` expire after `seconds` of this clock, counted from `since`. `shown`: ask `stop_first`."""
        countdown = Countdown(self, what, seconds, since, stood, shown)
        countdown.check()
        return countdown

    @contextlib.asynccontextmanager
    async def limit(self, seconds: float, *, shown: bool = True) -> AsyncIterator[None]:
        """`asyncio.timeout` by this clock: raises `TimeoutError`."""
        now = self._now()
        async with asyncio.timeout(None) as timeout:
            what = _Task(timeout)
            countdown = self.count_down(what, seconds, now, self.stood(now), shown=shown)
            try:
                yield
            finally:
                what.ended = True
                countdown.cancel()

    async def sleep(self, seconds: float) -> None:
        """`asyncio.sleep` by this clock."""
        with contextlib.suppress(TimeoutError):
            async with self.limit(seconds, shown=False):
                await asyncio.get_running_loop().create_future()

    # --- for Countdown ---

    def later(self, seconds: float, then: Callable[[], None]) -> Timer:
        return self._call_later(seconds, then)

    def hold(self, countdown: Countdown) -> None:
        self._held[countdown] = None

    def release(self, countdown: Countdown) -> None:
        self._held.pop(countdown, None)

    def _look_again(self, stepping: bool) -> None:
        held, self._held = self._held, {}
        for countdown in held:
            countdown.resumed(stepping)


class Countdown:
    """One limit. Nothing is done about it while it runs: only when it is due it is asked how long the clock stood."""

    __slots__ = ("_clock", "_seconds", "_shown", "_since", "_spent", "_stood", "_timer", "_what")

    def __init__(
        self, clock: InstanceClock, what: Limited, seconds: float, since: float, stood: float, shown: bool
    ) -> None:
        self._clock = clock
        self._what = what
        self._seconds = seconds
        self._since = since
        self._stood = stood
        self._shown = shown
        # Its time is over, and the debugger was given the instance to show where it is.
        self._spent = False
        self._timer: Timer | None = None

    def check(self) -> None:
        self._timer = None
        clock = self._clock
        if self._what.ended:
            clock.release(self)
        elif clock.stands:
            clock.hold(self)
        elif self._spent:
            self._expire()
        elif (left := clock.left(self._seconds, self._since, self._stood)) > 0:
            self._wait(left)
        elif self._shown and clock.timing.timeout != "real" and clock.stop_first():
            self._spent = True
            self._wait_for_resume()
        else:
            self._expire()

    def resumed(self, stepping: bool) -> None:
        """The clock runs again, having let go of this."""
        self.cancel()
        if not self._spent or self._what.ended:
            self.check()
        elif stepping:
            self._wait_for_resume()
        else:
            self._expire()

    def cancel(self) -> None:
        self._clock.release(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, seconds: float) -> None:
        if seconds == math.inf:
            self._clock.hold(self)
        else:
            self._timer = self._clock.later(seconds, self.check)

    def _wait_for_resume(self) -> None:
        """Not without end: code that never comes back to its interpreter can not be paused."""
        self._clock.hold(self)
        self._timer = self._clock.later(self._clock.timing.grace, self.check)

    def _expire(self) -> None:
        self.cancel()
        self._what.expire()


class _Task:
    """A task in `InstanceClock.limit`."""

    def __init__(self, timeout: asyncio.Timeout) -> None:
        self._timeout = timeout
        self.ended = False

    def expire(self) -> None:
        self.ended = True
        self._timeout.reschedule(asyncio.get_running_loop().time())
