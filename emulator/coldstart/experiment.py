"""Forces cold starts in an emulator that runs: a new instance for one request, which nobody else is given."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from emulator.coldstart.measures import ready_ms
from emulator.dispatch.engine import Engine
from emulator.instance.hooks import InitializerFailed
from emulator.journal.journal import Reader
from emulator.journal.waterfall import PATIENCE_SECONDS, ColdStarts
from emulator.model.coldstart import ColdStart
from emulator.model.errors import FCError, InternalServerError
from emulator.model.events import Event, InvocationStarted
from emulator.model.function import FunctionName, Revision
from emulator.model.invocation import Invocation, Kind, Outcome
from emulator.sandbox.processor import Moment, Own, look, own_time

# What a run may write to the journal, before the newest is lost: each line of a log is an event.
_EVENTS = 200_000
_HTTP_ERROR = 400
# Until an interpreter has started, it waits for nobody.
_LOOK_SECONDS = 0.01
# What the emulator waits for in place of an instance, for as long as was computed from sizes.
_COMPUTED = frozenset({"code_download", "image_pull"})

# Phases that a request may have to wait for in any case.
_OF_REQUEST = frozenset({"load", "first_request"})

# Makes the request of one run, by revision and request id.
Ask = Callable[[Revision, str], Invocation]


class RunFailed(Exception):
    """The function failed, or was not called at all: `body` is FC's answer, as a client gets it."""

    def __init__(self, body: str) -> None:
        super().__init__(body)
        self.body = body


def event_of(event: bytes) -> Ask:
    """Runs that are calls of InvokeFunction."""

    def ask(revision: Revision, request_id: str) -> Invocation:
        return Invocation(revision, request_id, body=event, length=len(event))

    return ask


class Experiment:
    """Cold starts of one function, one after the other, as a context: it listens to the journal until it is left.

    In an emulator with other work they are as slow as that makes them, and serve nobody else.
    """

    def __init__(self, engine: Engine, name: FunctionName, ask: Ask, *, traced: bool = True) -> None:
        """`traced` as the setting `trace` of the emulator."""
        self._engine = engine
        self._name = name
        self._ask = ask
        self._fold = ColdStarts(traced=traced, reads=True)
        self._reader: Reader

    def __enter__(self) -> Self:
        self._reader = self._engine.journal.subscribe(_EVENTS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._reader.close()

    async def run(self, *, ready: bool = False) -> ColdStart:
        """One cold start; when this returns, its instance is gone. `ready`: the instance is there before it is asked,
        as a provisioned one is, and what is told is only what the request waited for. Raises `RunFailed`."""
        engine = self._engine
        await engine.freshness.refreshed(self._name)
        revision = replace(engine.registry.resolve(self._name), alone=True)
        try:
            told = await self._run(revision, ready=ready)
        except asyncio.CancelledError:
            # Somebody is in a hurry, and its start may take minutes.
            engine.scheduler.withdraw(revision)
            raise
        except BaseException:
            await engine.scheduler.ended(revision)
            raise
        await engine.scheduler.ended(revision)
        return told

    async def _run(self, revision: Revision, *, ready: bool) -> ColdStart:
        request_id = self._engine.request_ids.new()
        watch = _Watch(self._engine, revision)
        try:
            if ready:
                await self._made_ready(revision)
                watch.begin_anew()
            await self._answered(self._ask(revision, request_id))
            own = watch.own_time()
        finally:
            watch.end()
        told = await self._told(request_id)
        waited = own.waited * 1000 + sum(it.duration_ms for it in told.phases if it.name in _COMPUTED)
        told = replace(told, cpu_ms=own.computed * 1000, own_ms=own.computed * 1000 + waited)
        return _since_ready(told) if ready else told

    async def _made_ready(self, revision: Revision) -> None:
        """Have an instance."""
        try:
            instance = await self._engine.scheduler.lease(revision, self._engine.request_ids.new())
        except InitializerFailed as failed:
            raise RunFailed(failed.body.decode("utf-8", "replace")) from None
        except FCError as error:
            raise RunFailed(_body(error)) from None
        instance.give_back()

    async def _answered(self, invocation: Invocation) -> None:
        try:
            async with self._engine.dispatcher.invoke(invocation) as outcome:
                body = await _read(outcome)
        except FCError as error:
            raise RunFailed(_body(error)) from None
        if outcome.error is not None or (invocation.kind is Kind.HTTP and outcome.status >= _HTTP_ERROR):
            said = body.decode("utf-8", "replace")
            raise RunFailed(said if outcome.error is not None else f"HTTP {outcome.status}: {said}")

    async def _told(self, request_id: str) -> ColdStart:
        """What the journal has of the cold start that this request waited for."""
        instance_id = ""
        found: dict[str, ColdStart] = {}
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                async for batch in self._reader:
                    instance_id = instance_id or _instance_of(request_id, batch)
                    found.update((it.instance_id, it) for it in self._fold.feed(batch))
                    if instance_id in found:
                        return found[instance_id]
        except TimeoutError:
            found.update((it.instance_id, it) for it in self._fold.due(math.inf))
        if instance_id not in found:
            raise InternalServerError(f"nothing was told of the cold start for {request_id}")
        return found[instance_id]


class _Watch:
    """Looks at the processes of a revision's only instance, each as soon as it is there."""

    def __init__(self, engine: Engine, revision: Revision) -> None:
        self._engine = engine
        self._revision = revision
        self._first: dict[int, Moment] = {}
        self._computed = 0.0
        self._task = asyncio.create_task(self._look_on())

    async def _look_on(self) -> None:
        while True:
            for pid in self._pids():
                if pid not in self._first and (moment := look(pid)) is not None:
                    self._first[pid] = moment
            await asyncio.sleep(_LOOK_SECONDS)

    def _pids(self) -> list[int]:
        found = (it for it in self._engine.scheduler.instances() if it.revision is self._revision)
        return [pid for instance in found for pid in instance.sandbox.members()]

    def begin_anew(self) -> None:
        """What was until now does not count."""
        self._computed = own_time(self._pids(), {}).computed
        self._first = {pid: moment for pid in self._pids() if (moment := look(pid)) is not None}

    def own_time(self) -> Own:
        return own_time(self._pids(), self._first, self._computed)

    def end(self) -> None:
        self._task.cancel()


def _body(error: FCError) -> str:
    """FC's answer where a function is not called at all."""
    return json.dumps({"Code": error.code, "Message": error.message}, ensure_ascii=False)


def _since_ready(told: ColdStart) -> ColdStart:
    """What is left for the request of an instance that was there: what comes behind the birth."""
    begin = ready_ms(told)
    kept = [it for it in told.phases if it.name in _OF_REQUEST and it.at_ms >= begin]
    imports = [replace(it, at_ms=it.at_ms - begin, parent=-1) for it in told.imports if it.at_ms >= begin]
    return replace(
        told,
        total_ms=told.total_ms - begin,
        phases=tuple(replace(it, at_ms=it.at_ms - begin, parent=-1) for it in kept),
        imports=tuple(imports),
        reads=(),
    )


def _instance_of(request_id: str, batch: Iterable[Event]) -> str:
    started = (it for it in batch if isinstance(it, InvocationStarted) and it.request_id == request_id)
    return next((it.instance_id for it in started), "")


async def _read(outcome: Outcome) -> bytes:
    if isinstance(outcome.body, bytes):
        return outcome.body
    return b"".join([piece async for piece in outcome.body])
