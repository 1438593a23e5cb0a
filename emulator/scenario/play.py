"""Plays a scenario in a running emulator: its calls in real time, its idle hours by the platform's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Protocol

from msgspec import Struct

from emulator.dispatch.engine import Engine
from emulator.model.errors import FCError, UserError
from emulator.model.events import Event, InstanceStarted, InvocationEnded, InvocationStarted
from emulator.model.function import FunctionName, Revision
from emulator.model.lifecycle import State
from emulator.scenario.figures import Answer, Figures, alive_after, figures_of
from emulator.scenario.happenings import happenings, told
from emulator.scenario.judge import Condition, Verdict, judge
from emulator.scenario.load import gaps
from emulator.scenario.steps import (
    Alias,
    Calls,
    Check,
    Cold,
    Idle,
    Parallel,
    Publish,
    Reclaim,
    Redeploy,
    Repeat,
    Scenario,
    Step,
    Target,
    Wait,
)
from emulator.scenario.timeline import Timeline

MOST_EVENTS = 10_000_000
# Shorter pauses between calls are real: what a function does in the background, and the machine, goes on in them.
JUMP_SECONDS = 1.0
# The facts about an answered call are in the journal within moments.
LOOK_SECONDS = 0.01


class Caller(Protocol):
    """Makes one call as a client does, and never raises for what the function or the emulator answers."""

    async def __call__(self, target: Target) -> Answer: ...


class Played(Struct, frozen=True):
    """What came of a step. `number` is its place, such as 3 or 4.2.1 (fourth step, second time, first of those).
    `passed` seconds of the platform's clock, in `took` real ones. `told` says what the platform did of itself."""

    number: str
    step: Step
    figures: Figures
    passed: float
    took: float
    told: str = ""
    note: str = ""
    verdicts: Sequence[Verdict] = ()


class Result(Struct, frozen=True):
    """Of all of it. `functions` are the figures of each that was called or had instances."""

    figures: Figures
    functions: dict[str, Figures]
    verdicts: Sequence[Verdict]
    failed: int
    passed: float
    took: float


class Player:
    """Plays once. `on_step` is told of each step when it is over."""

    def __init__(self, engine: Engine, caller: Caller, on_step: Callable[[Played], None]) -> None:
        self._engine = engine
        self._clock = engine.scheduler.platform
        self._call = caller
        self._on_step = on_step
        self._timeline = Timeline(self._clock, engine.tasks.at_rest)
        self._reader = engine.journal.subscribe(MOST_EVENTS)
        self._events: list[Event] = []
        self._alive: dict[str, str] = {}
        # Provisioned ones are there when it begins.
        self._first: dict[str, str] = {}
        self._answers: list[Answer] = []
        self._failed = 0
        self._seed = 0

    async def play(self, scenario: Scenario) -> Result:
        """Raises `UserError` where a step can not be done at all."""
        self._seed = scenario.seed
        self._engine.registry.versions.chance = Random(scenario.seed)  # noqa: S311 - has to be the same each time
        await self._begin()
        began, real = self._clock.now(), self._engine.journal.now()
        try:
            await self._timeline.begin(self._steps(scenario.steps, ""))
        finally:
            self._reader.close()
            await self._timeline.aclose()
        born = (it.function for it in self._events if isinstance(it, InstanceStarted))
        names = dict.fromkeys([*(it.function for it in self._answers), *self._first.values(), *born])
        figures = {name: figures_of(self._events, self._answers, self._first, name) for name in names}
        verdicts = self._judged(scenario.conditions, self._events, self._answers, self._first)
        passed, took = self._clock.now() - began, self._engine.journal.now() - real
        return Result(
            figures_of(self._events, self._answers, self._first), figures, verdicts, self._failed, passed, took
        )

    async def _begin(self) -> None:
        await self._clock.settled()
        self._reader.take()
        self._first = {it.id: str(it.revision.function.name) for it in self._engine.scheduler.instances()}
        self._alive = dict(self._first)

    async def _steps(self, steps: Sequence[Step], above: str, *, beside: bool = False) -> list[Answer]:
        answers: list[Answer] = []
        for index, step in enumerate(steps, 1):
            answers += await self._step(step, f"{above}{index}", beside)
        return answers

    async def _step(self, step: Step, number: str, beside: bool) -> list[Answer]:
        """`beside`: others act at the same time, so what happens meanwhile need not be this step's."""
        self._take()
        since, alive, begun = len(self._events), dict(self._alive), self._clock.now()
        real = self._engine.journal.now()
        try:
            answers, note = await self._act(step, number, beside)
        except (UserError, FCError) as error:
            raise _placed(error, step) from None
        self._take()
        events = self._events[since:]
        own = None
        if beside:
            events, alive = _of_functions({answer.function for answer in answers}, events, alive)
            own = {answer.request_id for answer in answers}
        if isinstance(step.action, Check):
            verdicts = self._judged(step.conditions, self._events, self._answers, self._first)
        else:
            verdicts = self._judged(step.conditions, events, answers, alive, own)
        passed, took = self._clock.now() - begun, self._engine.journal.now() - real
        figures, happened = figures_of(events, answers, alive, own=own), told(_worth_telling(events, real))
        self._on_step(Played(number, step, figures, passed, took, happened, note, verdicts))
        return answers

    def _judged(self, conditions: Sequence[Condition], *of: Any) -> list[Verdict]:
        """Of these events, answers, instances alive before and own request ids, each for the condition's function."""
        events, answers, alive, *own = of
        found = [judge(it, figures_of(events, answers, alive, it.function, *own)) for it in conditions]
        self._failed += sum(not verdict.ok for verdict in found)
        return found

    def _take(self) -> None:
        events = self._reader.take()
        self._events += events
        self._alive = alive_after(self._alive, events)

    # --- actions: each gives the answers of its calls, and what else there is to say ---

    async def _act(self, step: Step, number: str, beside: bool) -> tuple[list[Answer], str]:
        action = step.action
        match action:
            case Calls():
                return await self._calls(action, number), ""
            case Repeat(times, steps):
                return await self._repeat(times, steps, number, beside), ""
            case Parallel(branches):
                return await self._parallel(branches, number), ""
            case Idle(seconds):
                await self._timeline.sleep(seconds)
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Cold(function):
                return [], await self._reclaim(function)
            case Reclaim(function):
                return [], await self._reclaim(function)
            case Redeploy(function):
                return [], await self._redeploy(function)
            case Publish(function):
                version = await self._engine.registry.publish(FunctionName.parse(function))
                return [], f"version {version.version_id} is r{version.number}"
            case Alias(function, name, to, weights):
                self._engine.registry.versions.point(FunctionName.parse(function), name, to, dict(weights))
            case Check():
                pass
        return [], ""

    async def _repeat(self, times: int, steps: Sequence[Step], number: str, beside: bool) -> list[Answer]:
        answers: list[Answer] = []
        for time in range(1, times + 1):
            answers += await self._steps(steps, f"{number}.{time}.", beside=beside)
        return answers

    async def _parallel(self, branches: Sequence[Sequence[Step]], number: str) -> list[Answer]:
        tasks = [
            self._timeline.begin(self._steps(steps, f"{number}.{index}.", beside=True))
            for index, steps in enumerate(branches, 1)
        ]
        return [answer for answers in await self._timeline.together(tasks) for answer in answers]

    async def _calls(self, calls: Calls, number: str) -> list[Answer]:
        chance = Random(f"{self._seed}/{number}")  # noqa: S311 - has to be the same each time
        places = asyncio.Semaphore(calls.concurrency or calls.n)
        tasks, due = [], self._clock.now()
        for gap in gaps(calls, chance):
            # By when it is due, not after the one before: else the rate would be lower the higher it is.
            due += gap
            pause = max(0.0, due - self._clock.now())
            if gap >= JUMP_SECONDS:
                await self._timeline.sleep(pause)
            elif pause:
                await asyncio.sleep(pause)
            tasks.append(self._timeline.begin(self._one(calls.target, places)))
        answers = await self._timeline.together(tasks)
        await self._told_of({answer.request_id for answer in answers if not calls.target.is_async})
        return answers

    async def _one(self, target: Target, places: asyncio.Semaphore) -> Answer:
        async with places:
            answer = await self._call(target)
        self._answers.append(answer)
        return answer

    async def _told_of(self, request_ids: set[str]) -> None:
        """Returns when the journal has the end of each of these that it has the beginning of: an invocation ends a
        moment after its last byte."""
        seen, running = len(self._events), set[str]()
        while True:
            self._take()
            for event in self._events[seen:]:
                if isinstance(event, InvocationStarted) and event.request_id in request_ids:
                    running.add(event.request_id)
                elif isinstance(event, InvocationEnded):
                    running.discard(event.request_id)
            seen = len(self._events)
            if not running:
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _reclaim(self, function: str) -> str:
        scheduler = self._engine.scheduler
        name = FunctionName.parse(function) if function else None
        scheduler.reclaim(name)
        await self._clock.settled()
        left = [it for it in scheduler.instances() if name in (None, it.revision.function.name)]
        busy = sum(it.state is State.BUSY for it in left)
        return f"{len(left)} left, {busy} of them busy" if left else ""

    async def _redeploy(self, function: str) -> str:
        registry = self._engine.registry
        chosen = [it for it in registry.revisions() if function in ("", str(it.function.name))]
        made: list[Revision] = [registry.deploy(revision.function) for revision in chosen]
        await self._clock.settled()
        if not made:
            raise UserError(f"{function or 'nothing'} is deployed", "look at what was said at the start")
        return ", ".join(str(revision) for revision in made)


def _placed(error: UserError | FCError, step: Step) -> UserError:
    """With the line of the step that could not be done."""
    if isinstance(error, UserError):
        return UserError(error.message, error.next_step, error.place or step.place)
    return UserError(str(error), "look at what was said at the start", step.place)


def _of_functions(
    names: set[str], events: Sequence[Event], alive: dict[str, str]
) -> tuple[list[Event], dict[str, str]]:
    """Of these functions only, and of none."""
    kept = [event for event in events if getattr(event, "function", None) in (None, *names)]
    return kept, {instance: name for instance, name in alive.items() if name in names}


def _worth_telling(events: Sequence[Event], since: float) -> list[Any]:
    """Freezes and first instances go without saying, and so do invocations that went well."""
    dull = ("frozen", "Initialize", "PreFreeze", "Succeeded")
    return [it for it in happenings(events, since) if it.what not in dull]
