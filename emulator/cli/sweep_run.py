"""Measures one size of a function after the other, each in an emulator of its own."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date

import msgspec
from msgspec import Struct

from emulator.cli.call import Call
from emulator.cli.client import send
from emulator.cli.engine import RunningEmulator, open_emulator
from emulator.cli.served import served
from emulator.cli.sweep_plan import Measured, Tried
from emulator.config.settings import Settings
from emulator.journal.billing import ZERO, price_of, together, units
from emulator.journal.counters import Counters
from emulator.journal.journal import Reader
from emulator.journal.prices import Prices
from emulator.journal.usage import Size, Used
from emulator.model import headers as h
from emulator.model.errors import UserError
from emulator.model.events import Event, InvocationEnded, InvocationRejected
from emulator.model.function import Function, Project
from emulator.model.provision import Provision
from emulator.sandbox.inside import look
from emulator.sandbox.limits_table import Held

EVENTS = 1_000_000
MILLION = 1_000_000
# How long the journal may take to tell the end of what was answered already
PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.005
# An instance that is about to be free is waited for: there is only the one.
QUEUE_SECONDS = 30.0


class Round(Struct, frozen=True):
    """One start of an emulator, the cold invocation, and warm ones."""

    ended: tuple[InvocationEnded, ...]
    used: Used
    failed: int
    why: str


class Sweep:
    """`calls` warm invocations of each size, spread over `rounds` in which all sizes have their turn, there and back:
    what this machine is busy with meets all of them."""

    def __init__(self, settings: Settings, project: Project, call: Call, calls: int, rounds: int) -> None:
        self._settings = dataclasses.replace(
            settings,
            port=0,
            reload=False,
            cold="faithful",
            timers=False,
            postmortem=False,
            cpu=None,  # each size has its own
            max_instances=1,
            queue_timeout=QUEUE_SECONDS,
        )
        self._project = project
        self._call = call
        self._calls = calls
        self._rounds = rounds

    async def rounds(self, sizes: Sequence[Tried], tell: Callable[[str], None]) -> dict[Tried, list[Round]]:
        """Raises `UserError` where the function can not be called at all."""
        found: dict[Tried, list[Round]] = {size: [] for size in sizes}
        each = -(-self._calls // self._rounds)
        for number in range(self._rounds):
            for size in sizes if number % 2 == 0 else reversed(sizes):
                tell(f"round {number + 1} of {self._rounds}: {size}\n")
                found[size].append(await self._round(size, each))
        return found

    async def held(self) -> tuple[Held, Held]:
        """How cores and memory are limited here."""
        async with self._running(self._project) as (emulator, _):
            walls = await emulator.walls.of(emulator.project.functions[0].walls)
            table = walls.held(await look(walls), self._settings.instance_network)
            return table["cpu"], table["memory"]

    @contextlib.asynccontextmanager
    async def _running(self, project: Project) -> AsyncIterator[tuple[RunningEmulator, Reader]]:
        emulator = open_emulator(self._settings, project, whole=False)
        reader = emulator.journal.subscribe(EVENTS)
        async with emulator:
            name = str(project.functions[0].name)
            if why := emulator.refused.get(name):
                raise UserError(f"{name} can not be run: {why}")
            try:
                yield emulator, reader
            except asyncio.CancelledError:
                await emulator.kill()
                raise

    async def _round(self, size: Tried, calls: int) -> Round:
        async with self._running(_sized(self._project, size)) as (emulator, reader):
            counted = _Counted(reader, Counters(emulator.journal.now(), self._settings.prices))
            failures = await self._send(emulator, 1, 1)
            await counted.until(1)
            before = counted.used
            failures += await self._send(emulator, calls, size.concurrency)
            await counted.until(1 + calls)
            after = counted.used
            spent = Used(after.active_ms - before.active_ms, calls=after.calls - before.calls)
            return Round(tuple(counted.ended), spent, len(failures), next(iter(failures), ""))

    async def _send(self, emulator: RunningEmulator, calls: int, clients: int) -> list[str]:
        """So many calls by so many clients at once; returns what was said of those that failed."""
        left, failures = iter(range(calls)), list[str]()
        function = served(emulator.project.functions[0])
        request = msgspec.structs.replace(self._call, token=emulator.token).request(function, emulator.port)

        async def client() -> None:
            for _ in left:
                async with send(emulator.port, request) as reply:
                    body = await reply.read()
                if reply.status >= 400 or h.ERROR_TYPE in reply.headers:
                    failures.append(f"{reply.status} {body[:200].decode('utf-8', 'replace')}")

        async with asyncio.TaskGroup() as group:
            for _ in range(min(clients, calls)):
                group.create_task(client())
        return failures


class _Counted:
    """What the journal has told so far."""

    def __init__(self, reader: Reader, counters: Counters) -> None:
        self._reader = reader
        self._counters = counters
        self.ended: list[InvocationEnded] = []
        self._refused = 0

    @property
    def used(self) -> Used:
        return together(used for sizes in self._counters.meter.hours.values() for used in sizes.values())

    async def until(self, calls: int) -> None:
        """Until so many have ended, or were refused: a stream is told only after its last byte."""
        self._take(self._reader.take())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.ended) + self._refused < calls:
                await asyncio.sleep(LOOK_SECONDS)
                self._take(self._reader.take())

    def _take(self, events: list[Event]) -> None:
        self._counters.feed(events)
        for event in events:
            if isinstance(event, InvocationEnded):
                self.ended.append(event)
            elif isinstance(event, InvocationRejected):
                self._refused += 1


def measured(size: Tried, rounds: Sequence[Round], function: Function, prices: Prices, day: date) -> Measured:
    """All rounds of a size together."""
    cold = [event for it in rounds for event in it.ended if event.cold]
    warm = [event for it in rounds for event in it.ended if not event.cold]
    spent = together(it.used for it in rounds)
    gpu = function.gpu
    paid = Size(size.cpu, size.memory_mb, function.disk_mb, gpu.type if gpu else "", gpu.memory_mb if gpu else 0)
    cu = sum(units(paid, spent, prices).values(), ZERO) / (spent.calls or 1)
    return Measured(
        size,
        tuple(event.duration_ms for event in warm),
        tuple(event.queue_ms + event.duration_ms for event in cold),
        max((event.memory_mb for event in (*cold, *warm)), default=0.0),
        cu,
        {site.currency: price_of(cu * MILLION, ZERO, site, day) for site in prices.sites.values()},
        sum(len(it.ended) for it in rounds),
        sum(it.failed for it in rounds),
        next((it.why for it in rounds if it.why), ""),
    )


def _sized(project: Project, size: Tried) -> Project:
    function = msgspec.structs.replace(
        project.functions[0],
        memory_mb=size.memory_mb,
        cpu=size.cpu,
        instance_concurrency=size.concurrency,
        provisioned=Provision(),
    )
    return msgspec.structs.replace(project, functions=(function,))
