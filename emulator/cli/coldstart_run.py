"""Emulators for cold starts that are measured: one, or several side by side."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from msgspec import Struct

from emulator.cli.engine import RunningEmulator, open_emulator
from emulator.cli.follow import Follower
from emulator.coldstart.conditions import conditions_of
from emulator.coldstart.experiment import Ask, Experiment
from emulator.coldstart.study import Conditions
from emulator.config.settings import Settings
from emulator.model.coldstart import ColdStart
from emulator.model.errors import UserError
from emulator.model.events import Event, LogLine, Notice
from emulator.model.function import Project, Revision

# Of the log of a run that failed, so much is shown.
_LOG_LINES = 40


class Side(Struct, frozen=True):
    """What one side runs: a project with the one function, and what it is called in the results. `ready`: its instances
    are there before they are asked, as provisioned ones are."""

    label: str
    settings: Settings
    project: Project
    notes: tuple[str, ...] = ()
    ready: bool = False


class Bench:
    """A side in an emulator of its own."""

    def __init__(self, side: Side, emulator: RunningEmulator, experiment: Experiment) -> None:
        self.side = side
        self.emulator = emulator
        self._experiment = experiment
        self._said: deque[str] = deque(maxlen=_LOG_LINES)

    async def run(self) -> ColdStart:
        """One cold start. Raises `RunFailed`."""
        self._said.clear()
        return await self._experiment.run(ready=self.side.ready)

    @property
    def revision(self) -> Revision:
        """What is run."""
        return self.emulator.engine.registry.resolve(self.side.project.functions[0].name)

    def conditions(self, event: bytes, *, warm_up: bool) -> Conditions:
        """What is the same in all its runs."""
        side = self.side
        return conditions_of(self.revision, side.settings, event, code=side.label, warm_up=warm_up, notes=side.notes)

    def note(self, batch: Iterable[Event]) -> str:
        """Keep what the function writes; returns what the emulator has to say at once."""
        told = []
        for event in batch:
            if isinstance(event, LogLine):
                self._said.append(event.text)
            elif isinstance(event, Notice) and event.level != "debug":
                told.append(f"{event.message}\n")
        return "".join(told)

    def said(self) -> Sequence[str]:
        """What the function wrote in the run that is the last."""
        return list(self._said)


class Laboratory:
    """All sides, as an async context: when it is left, nothing of them is left. `tell` gets what emulators say."""

    def __init__(self, sides: Sequence[Side], ask: Ask, tell: Callable[[str], None]) -> None:
        self._sides = sides
        self._ask = ask
        self._tell = tell
        self._stack = contextlib.AsyncExitStack()
        self.benches: list[Bench] = []

    async def __aenter__(self) -> Self:
        try:
            for side in self._sides:
                self.benches.append(await self._opened(side))
        except BaseException:
            await self._close(killed=True)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close(killed=isinstance(error, asyncio.CancelledError))

    async def _close(self, *, killed: bool) -> None:
        if killed:
            await asyncio.gather(*(bench.emulator.kill() for bench in self.benches))
        await self._stack.aclose()

    async def _opened(self, side: Side) -> Bench:
        emulator = open_emulator(settings_for(side.settings), side.project, whole=False)
        name = side.project.functions[0].name
        follower_reader = emulator.journal.subscribe()
        await self._stack.enter_async_context(emulator)
        experiment = self._stack.enter_context(Experiment(emulator.engine, name, self._ask))
        bench = Bench(side, emulator, experiment)
        follower = Follower(follower_reader, bench.note, self._tell)
        follower.start()
        self._stack.push_async_callback(follower.stop)
        if why := emulator.refused.get(str(name)):
            raise UserError(f"{name} can not be run: {why}")
        return bench


def settings_for(settings: Settings) -> Settings:
    """Those of an emulator that does nothing beside: every start is a whole one, as in FC."""
    return dataclasses.replace(
        settings,
        port=0,
        reload=False,
        cold="faithful",
        spares=0,
        timers=False,
        postmortem=False,
        console=False,
        trace=True,
    )
