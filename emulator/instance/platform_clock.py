"""The time of the platform's own timers, which can be moved ahead: reclaims, retries, sessions, schedules.

Only those: how long invocations take and what limits them is real time, and so is the journal's. Moving ahead makes
what is waiting older (`Aging`) and lets timers go off earlier; a shifted clock would be asked by each invocation.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Collection
from typing import Any, Protocol

from emulator.journal.journal import Journal
from emulator.model.events import ClockAdvanced

# How often it is looked whether what is waited for has come to rest, or is held by a debugger.
LOOK_SECONDS = 0.05
# Nothing can be due sooner after something else: floating point has no better idea of an hour than this.
LEAST_STEP = 1e-6
# How often it is looked whether the time of day has jumped, where something is due by it, and what is a jump.
DAY_LOOK_SECONDS = 30.0
JUMP_SECONDS = 1.0

Tasks = Collection["asyncio.Task[Any]"]


class Aging(Protocol):
    """Who has something that grows older without a timer of this clock."""

    def due_in(self) -> float | None:
        """Seconds until the next thing is due that is not being done yet; None for nothing."""
        ...

    def age(self, seconds: float) -> None:
        """All of it is so much older, and what is due is begun."""
        ...

    def busy(self) -> Tasks:
        """What has begun and is to be waited for, apart from what a debugger holds up."""
        ...


class PlatformTimer:
    """One call to come, at a time of the clock. `by_day`: that stands for a time of day."""

    __slots__ = ("_handle", "at", "by_day", "then")

    def __init__(self, at: float, then: Callable[[], None], *, by_day: bool = False) -> None:
        self.at = at
        self.by_day = by_day
        self.then: Callable[[], None] | None = then
        self._handle: asyncio.TimerHandle | None = None

    def arm(self, seconds: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = asyncio.get_running_loop().call_later(max(0.0, seconds), self.fire)

    def fire(self) -> None:
        then = self.then
        self.cancel()
        if then is not None:
            then()

    def cancel(self) -> None:
        self.then = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class PlatformClock:
    """`ahead` is by how many seconds it was moved in all."""

    def __init__(self, journal: Journal, unix: Callable[[], float] = time.time) -> None:
        self._journal = journal
        self._unix = unix
        # By how much the time of day and the journal's time differ, and the next look at that.
        self._since_epoch = unix() - journal.now()
        self._looking: asyncio.TimerHandle | None = None
        self.ahead = 0.0
        self._aging: list[Aging] = []
        self._busy: list[Callable[[], Tasks]] = []
        self._timers: list[tuple[float, int, PlatformTimer]] = []
        self._numbers = itertools.count()
        self._lock = asyncio.Lock()

    def now(self) -> float:
        """Seconds, of which only differences mean something."""
        return self._journal.now() + self.ahead

    def time(self) -> float:
        """Unix time."""
        return self._unix() + self.ahead

    @property
    def is_moving(self) -> bool:
        """Whether it is being moved ahead: what is woken now is waited for, where an `Aging` tells."""
        return self._lock.locked()

    def ages(self, aging: Aging) -> None:
        self._aging.append(aging)
        self.waits_for(aging.busy)

    def waits_for(self, busy: Callable[[], Tasks]) -> None:
        """As `Aging.busy`, of who has nothing that grows older."""
        self._busy.append(busy)

    def call_later(self, seconds: float, then: Callable[[], None]) -> PlatformTimer:
        return self._armed(PlatformTimer(self.now() + seconds, then))

    def call_at(self, moment: float, then: Callable[[], None]) -> PlatformTimer:
        """As `call_later`, at a Unix time. `then` may be called a little early, by what two clocks differ in."""
        self.look()
        return self._armed(PlatformTimer(self.now() + moment - self.time(), then, by_day=True))

    def _armed(self, timer: PlatformTimer) -> PlatformTimer:
        self._drop_canceled()  # nobody else does, of a clock that is never moved
        heapq.heappush(self._timers, (timer.at, next(self._numbers), timer))
        timer.arm(timer.at - self.now())
        return timer

    def look(self) -> None:
        """Whether the time of day has jumped, since the machine slept or its clock was set: what is due by it is due so
        much sooner, or later. Looks again by itself, as long as something is."""
        jump = self._unix() - self._journal.now() - self._since_epoch
        if abs(jump) > JUMP_SECONDS:
            self._since_epoch += jump
            for _, _, timer in self._timers:
                timer.at -= jump if timer.by_day else 0.0
            self._timers = [(timer.at, number, timer) for _, number, timer in self._timers]
            heapq.heapify(self._timers)
            self._rearm()
        if self._looking is not None:
            self._looking.cancel()
        later = asyncio.get_running_loop().call_later
        self._looking = later(DAY_LOOK_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._looking = None
        if any(timer.by_day and timer.then is not None for _, _, timer in self._timers):
            self.look()

    async def sleep(self, seconds: float) -> None:
        """`asyncio.sleep` by this clock."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(seconds, lambda: None if woken.done() else woken.set_result(None))
        try:
            await woken
        finally:
            timer.cancel()

    # --- moving ahead ---

    async def advance(self, seconds: float) -> None:
        """Move it ahead. What falls due is begun in the order of its times, each when what was due before it is done;
        this returns when all of it is. What a debugger holds up is not waited for."""
        async with self._lock:
            await self.settled()  # what began before was there before
            left = seconds
            while left > 0:
                due = self._due_in()
                step = left if due is None else min(left, max(due, LEAST_STEP))
                left -= step
                self._step(step)
                await self.settled()

    async def settled(self) -> None:
        """Returns when nothing that became due is still being done, and nobody is being born."""
        await asyncio.sleep(0)  # who was woken, or just made a task, has begun
        while tasks := {task for busy in self._busy for task in busy()}:
            await asyncio.wait(tasks, timeout=LOOK_SECONDS)
            await asyncio.sleep(0)

    def _due_in(self) -> float | None:
        """The next moment at which something is due that is not being done yet."""
        self._drop_canceled()
        dues = [due for aging in self._aging if (due := aging.due_in()) is not None]
        if self._timers:
            dues.append(max(0.0, self._timers[0][0] - self.now()))
        return min(dues, default=None)

    def _drop_canceled(self) -> None:
        while self._timers and self._timers[0][2].then is None:
            heapq.heappop(self._timers)

    def _step(self, seconds: float) -> None:
        self.ahead += seconds
        self._journal.append(ClockAdvanced(self._journal.now(), seconds, self.ahead))
        for aging in self._aging:
            aging.age(seconds)
        while self._timers and self._timers[0][0] <= self.now():
            heapq.heappop(self._timers)[2].fire()
        self._rearm()

    def _rearm(self) -> None:
        now = self.now()
        for at, _, timer in self._timers:
            if timer.then is not None:
                timer.arm(at - now)
