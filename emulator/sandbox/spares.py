"""Where instances of a function come from that were parked ahead of time, and not forked (docs/zygote.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from emulator.model.launch import Launch, Start
from emulator.sandbox.base import LogSink, Sandbox
from emulator.sandbox.parking import Parking


class Adoptable(Sandbox, Protocol):
    """Walls that are built before it is known for which launch; see `parking.Spare`."""

    @property
    def name(self) -> str: ...

    @property
    def parked(self) -> bool: ...

    async def park(self) -> None: ...

    def close_soon(self) -> asyncio.Task[None]: ...

    def adopt(self, launch: Launch, logs: LogSink) -> None:
        """From now on it is to be an instance of this launch, which differs from the one that it was parked with in
        nothing but its environment."""
        ...


class Spares:
    """See `base.Origin`. Made by walls, which own it until `aclose`.

    `make` makes a spare of that name, which calls its second argument when it is gone; `spawn` an instance that is
    none of these. `start` is how instances that are taken from here are started.
    """

    def __init__(
        self,
        make: Callable[[str, Callable[[Any], None]], Adoptable],
        spawn: Callable[[str, Launch, LogSink], Sandbox],
        closed: Callable[[Spares], None],
        start: Start = Start.SPARE,
    ) -> None:
        self._make = make
        self._spawn = spawn
        self._closed = closed
        self._start = start
        self._made: set[Adoptable] = set()
        self._parking = Parking(self._spare)
        self._retired = False

    @property
    def alive(self) -> bool:
        return not self._retired

    @property
    def in_use(self) -> bool:
        return len(self._made) > len(self._parking)

    def keep(self, count: int, new_name: Callable[[], str]) -> None:
        self._parking.keep(count, new_name)

    def reserve(self) -> str | None:
        return self._parking.reserve()

    def give_back(self, name: str) -> None:
        self._parking.give_back(name)

    def start_of(self, name: str) -> Start:
        return self._start if self._parking.is_reserved(name) else Start.SPAWN

    def sandbox(self, name: str, launch: Launch, logs: LogSink) -> Sandbox:
        spare = self._parking.take(name)
        if spare is None:
            return self._spawn(name, launch, logs)
        spare.adopt(launch, logs)
        return spare

    def learn(self, name: str, kind: str) -> asyncio.Task[None] | None:
        """Nothing: it shares nothing with others."""
        return None

    def retire(self) -> None:
        self._retired = True
        self._parking.close()
        self._forget_when_unused()

    async def aclose(self) -> None:
        """End all that were spares. May be called twice."""
        self._retired = True
        self._parking.close()
        await asyncio.gather(*(sandbox.aclose() for sandbox in [*self._made]))
        await self._parking.aclose()
        self._closed(self)

    def _spare(self, name: str) -> Adoptable:
        made = self._make(name, self._gone)
        self._made.add(made)
        return made

    def _gone(self, sandbox: Adoptable) -> None:
        self._made.discard(sandbox)
        self._forget_when_unused()

    def _forget_when_unused(self) -> None:
        if self._retired and not self._made:
            self._closed(self)
