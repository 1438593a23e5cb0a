"""A scheduler and a dispatcher over fake walls, for tests of the floors between runtime and faces."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from msgspec.structs import replace

from emulator.dispatch.dispatcher import Dispatcher
from emulator.gpu.pool import GpuPool
from emulator.gpu.use import GpuMeter, GpuUse
from emulator.instance.birth import Birth
from emulator.instance.clock import Timing
from emulator.instance.deadlines import Deadlines
from emulator.instance.instance import Instance
from emulator.instance.log import InstanceLog
from emulator.instance.protocol import Heads
from emulator.journal.journal import Journal, Reader
from emulator.model import ids
from emulator.model.clock import SystemClock
from emulator.model.events import Event
from emulator.model.function import Account, Function, FunctionName, Revision
from emulator.model.gpu import GpuShare
from emulator.model.invocation import Invocation, Outcome
from emulator.scheduler.scheduler import Scheduler
from emulator.scheduler.views import Limits
from tests.support.fake_walls import LAUNCH, FakeWalls, Program, echo

PAUSING = Timing()
HELLO = Function(FunctionName("hello"), "python3.10", handler="index.handler", timeout=5.0)


class FakeMaker:
    """Makes instances without a runtime: the recipe does not matter to fake walls."""

    def __init__(self, walls: FakeWalls, journal: Journal, timing: Timing) -> None:
        self.walls = walls
        self.journal = journal
        self.timing = timing
        self.released: list[str] = []

    async def make(
        self,
        revision: Revision,
        *,
        capacity: int,
        provisioned: bool,
        deadlines: Deadlines,
        changed: Callable[[Instance], None],
        gpu: GpuShare | None = None,
    ) -> Instance:
        instance_id = ids.instance_id()
        log = InstanceLog(self.journal, str(revision.function.name), instance_id)
        sandbox = self.walls.sandbox(instance_id, LAUNCH, log.line)
        heads = Heads(revision, Account())
        birth = Birth(instance_id, revision, sandbox, heads, log, capacity, provisioned, deadlines, self.timing)
        if gpu is not None:
            birth = replace(birth, gpu=GpuUse(gpu, sandbox.members, GpuMeter()))
        return Instance(birth, self.journal, changed)

    def turn(self, instance: Instance) -> AbstractAsyncContextManager[None]:
        return contextlib.nullcontext()

    def release(self, instance: Instance) -> None:
        self.released.append(instance.id)


class MovableClock(SystemClock):
    """The system's time, and as much later as a test wants it to be."""

    ahead = 0.0

    def monotonic(self) -> float:  # type: ignore[override]
        return time.monotonic() + self.ahead


@dataclass
class Core:
    clock: MovableClock
    walls: FakeWalls
    journal: Journal
    scheduler: Scheduler
    dispatcher: Dispatcher
    reader: Reader
    revision: Revision
    seen: list[Event]

    def call(self, body: bytes = b"", **fields: object) -> Invocation:
        return replace(Invocation(self.revision, ids.RequestIds().new(), body=body, length=len(body)), **fields)

    async def invoke(self, body: bytes = b"", **fields: object) -> Outcome:
        async with self.dispatcher.invoke(self.call(body, **fields)) as outcome:
            if not isinstance(outcome.body, bytes) and outcome.tunnel is None:
                outcome.body = b"".join([piece async for piece in outcome.body])
        return outcome

    def later(self, seconds: float) -> None:
        """Time goes on at once: what is due then is done."""
        self.clock.ahead += seconds
        self.scheduler.deploy(self.revision)

    async def until(self, wanted: Callable[[Event], bool]) -> Event:
        """The first event, past or to come, that is wanted: tests wait for facts, not for time."""
        async with asyncio.timeout(10):
            while True:
                self.seen.extend(self.reader.take())
                for event in self.seen:
                    if wanted(event):
                        return event
                await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def core(
    program: Program = echo,
    function: Function = HELLO,
    *,
    timing: Timing = PAUSING,
    cards: GpuPool | None = None,
    **limits: object,
) -> AsyncIterator[Core]:
    clock = MovableClock()
    journal = Journal(clock)
    walls = FakeWalls(program)
    maker = FakeMaker(walls, journal, timing)
    scheduler = Scheduler(maker, journal, replace(Limits(freeze=False), **limits), cards)
    dispatcher = Dispatcher(scheduler, journal)
    revision = Revision(function, 1, "f" * 8, None)
    reader = journal.subscribe(100_000)
    made = Core(clock, walls, journal, scheduler, dispatcher, reader, revision, [])
    try:
        yield made
    finally:
        async with asyncio.timeout(20):
            await scheduler.aclose()
        assert all(it.exited.done() for it in walls.made), "every sandbox has ended"
        assert all("aclose" in it.calls for it in walls.made), "every sandbox was closed"
