"""One instance: its lifecycle over one sandbox, and the connections to its endpoint."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

from emulator.instance.birth import Birth
from emulator.instance.clock import InstanceClock
from emulator.instance.control import Control
from emulator.instance.deadlines import Deadlines
from emulator.instance.debugger import JOINING
from emulator.instance.telling import Telling
from emulator.instance.wire import Wire
from emulator.journal.journal import Journal, SpanRecorder
from emulator.model.errors import SandboxError
from emulator.model.events import InstanceMoved, InstancePaused, InstanceResumed, InstanceStarted, InstanceWrote, Span
from emulator.model.function import Hook, Isolation, Revision
from emulator.model.launch import Exit, Usage
from emulator.model.lifecycle import Signal, State, StopReason, move
from emulator.model.limits import STOP_GRACE_SECONDS

# Instances that end for these reasons can not, or must not, be asked to clean up after themselves.
NO_PRE_STOP = frozenset(
    {
        StopReason.TIMEOUT,
        StopReason.CANCELED,
        StopReason.CRASHED,
        StopReason.OOM,
        StopReason.DISK_FULL,
        StopReason.START_FAILED,
        StopReason.INIT_FAILED,
    }
)
AWAKE = frozenset({State.IDLE, State.BUSY})
# How many written paths are told: enough to see what it was.
PATHS_TOLD = 100

PreFreeze = Callable[["Instance", Hook], Coroutine[Any, Any, None]]


class Instance:
    """Carries up to `capacity` invocations. The scheduler owns it; `changed` is called after each move.

    `on_pause`, where it is set, is called when a debugger has paused or resumed it.
    Only `_turn` writes the state. What happens around a move lives in hooks.py, readiness.py and the scheduler.
    """

    in_flight = 0
    served = 0
    init_ms = 0.0
    born_at = 0.0  # when it was ready for its first request
    healthy = True
    stop_reason: StopReason | None = None
    # Set when it must not serve again: it takes no more, and ends when its last invocation has.
    condemned: StopReason | None = None
    # Promised to a request while it thaws, so that nobody else takes it.
    reserved = False
    # Debuggers in which a thread of it stands: its time goes on when none does.
    holders: frozenset[str] = frozenset()

    def __init__(self, birth: Birth, journal: Journal, changed: Callable[[Instance], None]) -> None:
        self.id = birth.instance_id
        self.revision = birth.revision
        self.sandbox = birth.sandbox
        self.heads = birth.heads
        self.log = birth.log
        self.deadlines = birth.deadlines
        self.recorder = birth.recorder
        # What it holds of the machine's cards, if anything.
        self.gpu = birth.gpu
        self.start = birth.start
        self._packages = birth.packages
        self.capacity = birth.capacity
        self.provisioned = birth.provisioned
        self.function = str(birth.revision.function.name)
        self.debugger = birth.debugger
        self.debugged = False  # a debugger is, or was, attached to it: only then that hears of each answer
        stop_first = functools.partial(birth.debugger.timed_out, self)
        self.clock = InstanceClock(journal.now, birth.timing, stop_first=stop_first)
        self.paused = False  # a thread of it stands in the debugger, for the so manieth time
        self.pauses = 0
        self.on_pause: Callable[[Instance], None] | None = None
        self._exclusive = birth.revision.function.isolation is Isolation.REQUEST_EXCLUSIVE
        self.journal = journal
        self.state = State.STARTING
        self.since = journal.now()
        self._began = birth.began or self.since
        self.telling = Telling()
        self.sessions: set[str] = set()
        # Processes of it that have dialled us; the first is the one that was started.
        self.controls: list[Control] = []
        self._paused_at = 0.0
        self._changed = changed
        self._wires: list[Wire] = []
        self._usage: Usage | None = None
        self._usage_at = 0.0
        self._settled: asyncio.Future[None] | None = None
        self._goes_on: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<Instance {self.id} {self.revision} {self.state.value} {self.in_flight}/{self.capacity}>"

    # --- state ---

    def _turn(self, signal: Signal) -> None:
        self.state = move(self.state, signal)
        self.since = self.journal.now()

    def _move(self, signal: Signal, reason: StopReason | None = None) -> None:
        before = self.state
        self._turn(signal)
        why = reason or self.stop_reason
        self.journal.append(
            InstanceMoved(
                self.since,
                self.id,
                self.function,
                self.revision.number,
                before,
                self.state,
                self.in_flight,
                why.value if why else "",
            )
        )
        self._changed(self)

    @property
    def room(self) -> int:
        """How many more invocations it may be given now, without thawing."""
        takeable = self.state in AWAKE and self.healthy and self.condemned is None and not self.paused
        return self.capacity - self.in_flight if takeable else 0

    @property
    def out_of_memory(self) -> bool:
        """Whether it ended for that: the machine's, or that of its part of a card."""
        own = self.sandbox.exited.done() and self.sandbox.exited.result().oom
        return own or (self.gpu is not None and self.gpu.ended_for_it)

    @property
    def ended(self) -> bool:
        return self.state is State.STOPPING or self.state is State.STOPPED

    def span(self, name: str) -> SpanRecorder:
        """A stretch of its life for the journal, without the time that it stands in the debugger."""
        return self.journal.span(name, self.function, self.id, self.clock.running)

    def started(self) -> None:
        """Its processes run."""
        now = self.journal.now()
        self.journal.append(Span(self._began, self.function, self.id, "create", (now - self._began) * 1000))
        number, how = self.revision.number, self.start.value
        self.journal.append(InstanceStarted(now, self.id, self.function, number, how, self._packages, self.provisioned))

    def answered(self) -> None:
        self._move(Signal.ANSWERED)

    def initialized(self, init_ms: float) -> None:
        self.init_ms = init_ms
        self.born_at = self.journal.now()
        self.log.born()
        self._move(Signal.INITIALIZED)

    def take(self) -> None:
        """Count one more invocation in. The caller has checked `room`."""
        self.in_flight += 1
        if self.state is State.IDLE:
            self._turn(Signal.TAKEN)

    def give_back(self) -> None:
        """Count one invocation out; the last one leaves the instance idle, or lets a draining one stop."""
        self.in_flight -= 1
        self.served += 1
        if self._exclusive:
            self.condemned = self.condemned or StopReason.EXCLUSIVE
        if self.debugged:
            self.debugger.done(self)
        if self.in_flight == 0 and self.state is State.DRAINING:
            self._move(Signal.DRAINED)
            return
        if self.in_flight == 0 and self.state is State.BUSY:
            self._turn(Signal.DRAINED)
        self._changed(self)

    def occupy(self) -> None:
        """Take all of it, for what must not meet an invocation. The caller has seen it idle."""
        self.in_flight = self.capacity
        self._turn(Signal.TAKEN)

    def vacate(self) -> None:
        """The end of `occupy`."""
        self.in_flight = 0
        if self.state is State.DRAINING:
            self._move(Signal.DRAINED)
        elif self.state is State.BUSY:
            self._turn(Signal.DRAINED)
            self._changed(self)

    def join(
        self,
        revision: Revision,
        deadlines: Deadlines,
        changed: Callable[[Instance], None],
        on_pause: Callable[[Instance], None],
    ) -> None:
        """It has the code of another revision of its function now, and goes on as one of that."""
        self.revision = revision
        self.deadlines = deadlines
        self._changed = changed
        self.on_pause = on_pause

    def condemn(self, reason: StopReason) -> None:
        """It must not serve again: it takes no more, and ends when its last invocation has."""
        self.condemned = self.condemned or reason
        self._changed(self)

    def set_healthy(self, healthy: bool) -> None:
        self.healthy = healthy
        self._changed(self)

    def retired(self, reason: StopReason) -> None:
        self.stop_reason = self.stop_reason or reason
        self._move(Signal.RETIRED, reason)

    def exited(self, reason: StopReason) -> None:
        """The process is gone, whatever state we were in."""
        if self.state is not State.STOPPED:
            self.stop_reason = self.stop_reason or reason
            self._move(Signal.EXITED)
            self.close_wires()
            self._end_holds()
            self.debugger.gone(self)

    # --- in the debugger ---

    def pause(self, holder: str = "debugger") -> None:
        """A thread of it stands: no clock of it runs, and it is left alone, until each who called this, however often,
        has called `resume`."""
        self.holders |= {holder}
        if self.paused:
            self._tell_pause()
        elif self.state is not State.STOPPED:
            self.paused = True
            self.pauses += 1
            self._paused_at = self.journal.now()
            self.clock.pause(self._paused_at)
            self.journal.append(InstancePaused(self._paused_at, self.id, self.function))
            self._tell_pause()

    def resume(self, holder: str = "debugger", *, stepping: bool = False) -> None:
        """No thread of it stands in that debugger any more. `stepping`: one will in a moment, as far as its user
        knows."""
        self.holders -= {holder}
        if self.paused and not self.holders:
            now = self.journal.now()
            self.paused = False
            if self.clock.stands:
                # What it is, it was for so much shorter.
                self.since += now - max(self.since, self._paused_at)
            self.journal.append(InstanceResumed(now, self.id, self.function, (now - self._paused_at) * 1000))
            self.clock.resume(now, stepping=stepping)
            self._tell_pause()
        elif self.paused:
            self._tell_pause()

    @property
    def joining(self) -> bool:
        """Paused only while a debugger gets ready in it: it goes on by itself, within a moment."""
        return self.holders == {JOINING}

    async def unpaused(self) -> None:
        """Returns when no thread of it stands in a debugger."""
        while self.paused:
            self._goes_on = self._goes_on or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._goes_on)

    def end_pauses(self) -> None:
        """Time goes on, whatever a debugger does: the emulator is stopping."""
        self._end_holds()
        self.clock.run_on()

    def _end_holds(self) -> None:
        for holder in self.holders:
            self.resume(holder)

    def _tell_pause(self) -> None:
        if self._goes_on is not None and not self.paused:
            self._goes_on.set_result(None)
            self._goes_on = None
        if self.on_pause is not None:
            self.on_pause(self)

    # --- freeze and thaw ---

    async def freeze(self, before: PreFreeze | None, hook: Hook | None) -> None:
        """Stand still: FREEZING, the pre-freeze hook if there is one, then the whole process tree stops.

        Where it can not be stopped, such as a process that waits for a disk, that is told and it stays awake.
        """
        self._move(Signal.COOLED)
        self._settled = asyncio.get_running_loop().create_future()
        try:
            if self.served:
                await self.telling.wait()
            if before is not None and hook is not None:
                await before(self, hook)
            if self.paused and self.state is State.FREEZING:
                self._move(Signal.THAWED)
            if self.debugged:
                await self.debugger.settle(self)
            if self.state is State.FREEZING:
                await self._stand_still()
        except SandboxError as error:
            self.journal.notice(str(error), function=self.function)
            await self.sandbox.thaw()
            if self.state is State.FREEZING:
                self._move(Signal.THAWED)
        finally:
            self._settled.set_result(None)
            self._settled = None

    async def _stand_still(self) -> None:
        await self.sandbox.freeze()
        if self.state is State.FREEZING:
            self._move(Signal.FROZE)
        else:
            # It was retired meanwhile, and a frozen process hears neither its PreStop hook nor SIGTERM.
            await self.sandbox.thaw()

    async def thaw(self) -> None:
        """Run again; waits for a freeze that is under way. Anything else leaves the instance as it is."""
        if self._settled is not None:
            await asyncio.shield(self._settled)
        if self.state is State.FROZEN:
            await self.sandbox.thaw()
            await self.debugger.sync(self)
            if self.state is State.FROZEN:
                self._move(Signal.THAWED)

    # --- connections ---

    @property
    def control(self) -> Control | None:
        """The control channel of its first process; None where it has none, or has not dialled yet."""
        return self.controls[0] if self.controls else None

    def idle_wire(self) -> Wire | None:
        """A connection that is already open, if there is a good one."""
        while self._wires:
            wire = self._wires.pop()
            if wire.reusable:
                return wire
            wire.close()
        return None

    async def open_wire(self) -> Wire:
        """A new connection. Raises `OSError` if the endpoint does not accept."""
        return await Wire.open(await self.sandbox.dial())

    def keep_wire(self, wire: Wire) -> None:
        if wire.reusable and not self.ended:
            self._wires.append(wire)
        else:
            wire.close()

    def close_wires(self) -> None:
        while self._wires:
            self._wires.pop().close()

    # --- figures ---

    def usage(self, max_age: float) -> Usage:
        """Memory now, measured again if the last measurement is older than `max_age` seconds."""
        now = self.journal.now()
        if self._usage is None or now - self._usage_at > max_age:
            self._usage = self.sandbox.usage()
            self._usage_at = now
        return self._usage

    async def stop(self) -> Exit:
        """End the process: SIGTERM, grace, SIGKILL. The state is STOPPING already."""
        self.close_wires()
        stopping = asyncio.ensure_future(self.sandbox.stop(None))
        try:
            async with self.clock.limit(STOP_GRACE_SECONDS, shown=False):
                return await asyncio.shield(stopping)
        except TimeoutError:
            await self.sandbox.kill()
            return await stopping

    async def aclose(self) -> None:
        """Tell what goes with it, and remove what is left of it. The state is STOPPED already."""
        written = self.sandbox.written()
        if written:
            paths = tuple(written[:PATHS_TOLD])
            self.journal.append(InstanceWrote(self.journal.now(), self.id, self.function, paths, len(written)))
        await self.sandbox.aclose()
