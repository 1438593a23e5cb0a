"""One instance: its lifecycle over one sandbox, and the connections to its endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from emulator.instance.deadlines import Deadlines
from emulator.instance.log import InstanceLog
from emulator.instance.protocol import Heads
from emulator.instance.wire import Wire
from emulator.journal.journal import Journal
from emulator.model.errors import SandboxError
from emulator.model.events import InstanceMoved, InstanceWrote
from emulator.model.function import Hook, Isolation, Revision
from emulator.model.launch import Exit, Usage
from emulator.model.lifecycle import Signal, State, StopReason, move
from emulator.model.limits import STOP_GRACE_SECONDS
from emulator.sandbox.base import Sandbox

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


@dataclass(frozen=True, slots=True)
class Birth:
    """What an instance is made of."""

    instance_id: str
    revision: Revision
    sandbox: Sandbox
    heads: Heads
    log: InstanceLog
    capacity: int
    provisioned: bool
    deadlines: Deadlines


PreFreeze = Callable[["Instance", Hook], Coroutine[Any, Any, None]]


class Instance:
    """Carries up to `capacity` invocations. The scheduler owns it; `changed` is called after each move.

    Only `_turn` writes the state. What happens around a move lives in hooks.py, readiness.py and the scheduler.
    """

    def __init__(self, birth: Birth, journal: Journal, changed: Callable[[Instance], None]) -> None:
        self.id = birth.instance_id
        self.revision = birth.revision
        self.sandbox = birth.sandbox
        self.heads = birth.heads
        self.log = birth.log
        self.deadlines = birth.deadlines
        self.capacity = birth.capacity
        self.provisioned = birth.provisioned
        self.function = str(birth.revision.function.name)
        self._exclusive = birth.revision.function.isolation is Isolation.REQUEST_EXCLUSIVE
        self.journal = journal
        self.state = State.STARTING
        self.in_flight = 0
        self.served = 0
        self.init_ms = 0.0
        self.healthy = True
        self.stop_reason: StopReason | None = None
        # Set when it must not serve again: it takes no more, and ends when its last invocation has.
        self.condemned: StopReason | None = None
        self.since = journal.now()
        self.sessions: set[str] = set()
        # Promised to a request while it thaws, so that nobody else takes it.
        self.reserved = False
        self._changed = changed
        self._wires: list[Wire] = []
        self._usage: Usage | None = None
        self._usage_at = 0.0
        self._settled: asyncio.Future[None] | None = None

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
        takeable = self.state in AWAKE and self.healthy and self.condemned is None
        return self.capacity - self.in_flight if takeable else 0

    @property
    def ended(self) -> bool:
        return self.state is State.STOPPING or self.state is State.STOPPED

    def answered(self) -> None:
        self._move(Signal.ANSWERED)

    def initialized(self, init_ms: float) -> None:
        self.init_ms = init_ms
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
        if self.in_flight == 0 and self.state is State.DRAINING:
            self._move(Signal.DRAINED)
            return
        if self.in_flight == 0 and self.state is State.BUSY:
            self._turn(Signal.DRAINED)
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

    # --- freeze and thaw ---

    async def freeze(self, before: PreFreeze | None, hook: Hook | None) -> None:
        """Stand still: FREEZING, the pre-freeze hook if there is one, then the whole process tree stops.

        Where it can not be stopped, such as a process that waits for a disk, that is told and it stays awake.
        """
        self._move(Signal.COOLED)
        self._settled = asyncio.get_running_loop().create_future()
        try:
            if before is not None and hook is not None:
                await before(self, hook)
            if self.state is State.FREEZING:
                await self.sandbox.freeze()
            if self.state is State.FREEZING:
                self._move(Signal.FROZE)
        except SandboxError as error:
            self.journal.notice(str(error), function=self.function)
            await self.sandbox.thaw()
            if self.state is State.FREEZING:
                self._move(Signal.THAWED)
        finally:
            self._settled.set_result(None)
            self._settled = None

    async def thaw(self) -> None:
        """Run again; waits for a freeze that is under way. Anything else leaves the instance as it is."""
        if self._settled is not None:
            await asyncio.shield(self._settled)
        if self.state is State.FROZEN:
            await self.sandbox.thaw()
            if self.state is State.FROZEN:
                self._move(Signal.THAWED)

    # --- connections ---

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
        return await self.sandbox.stop(STOP_GRACE_SECONDS)

    async def aclose(self) -> None:
        """Tell what goes with it, and remove what is left of it. The state is STOPPED already."""
        written = self.sandbox.written()
        if written:
            paths = tuple(written[:PATHS_TOLD])
            self.journal.append(InstanceWrote(self.journal.now(), self.id, self.function, paths, len(written)))
        await self.sandbox.aclose()
