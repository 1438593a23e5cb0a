"""Spares of one function: instances that are parked ahead of time, and taken one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from emulator.model.errors import SandboxError

# After the last start, until spares are parked again.
_QUIET_SECONDS = 0.15


class Spare(Protocol):
    """Walls that can be built before it is known for which launch."""

    @property
    def name(self) -> str: ...

    @property
    def parked(self) -> bool:
        """Whether it is still there to be taken."""
        ...

    async def park(self) -> None:
        """Raises `SandboxError`, and then closes itself."""
        ...

    def close_soon(self) -> asyncio.Task[None]: ...


S = TypeVar("S", bound=Spare)


class Parking(Generic[S]):
    """Owns the spares that nobody has taken, by the names of their instances; `make` makes one that is not parked."""

    def __init__(self, make: Callable[[str], S]) -> None:
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._spares: list[S] = []
        self._coming: S | None = None
        self._reserved: dict[str, S] = {}
        self._wanted = 0
        self._new_name: Callable[[], str] = str
        self._timer: asyncio.TimerHandle | None = None
        self._refilling: asyncio.Task[None] | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._spares)

    def __iter__(self) -> Iterator[S]:
        """Those that are parked, and reserved for nobody."""
        return iter([spare for spare in self._spares if spare.parked])

    def keep(self, count: int, new_name: Callable[[], str]) -> None:
        """Park this many, now and whenever one was taken."""
        self._wanted, self._new_name = count, new_name
        self._refill_now()

    def reserve(self) -> str | None:
        """The name of one, which is kept for `take`; None where none is parked."""
        while self._spares:
            spare = self._spares.pop()
            if spare.parked:
                self._reserved[spare.name] = spare
                return spare.name
        return None

    def give_back(self, name: str) -> None:
        spare = self._reserved.pop(name, None)
        if spare is not None:
            self._spares.append(spare)

    def is_reserved(self, name: str) -> bool:
        return name in self._reserved

    def take(self, name: str) -> S | None:
        """The spare that was reserved by this name, if one was. Others are parked when nobody is waiting for this
        machine: a burst needs it for itself."""
        self._stop_refilling()
        if self._wanted and not self._closed:
            self._timer = self._loop.call_later(_QUIET_SECONDS, self._refill_now)
        return self._reserved.pop(name, None)

    def close(self) -> None:
        """Park no more, and let go of what is there."""
        self._closed = True
        self._stop_refilling()
        for spare in self._waiting():
            spare.close_soon()
        self._spares.clear()
        self._reserved.clear()

    async def aclose(self) -> None:
        self.close()
        if self._refilling is not None:
            await asyncio.wait([self._refilling])

    def _waiting(self) -> Iterator[S]:
        yield from self._spares
        yield from self._reserved.values()
        if self._coming is not None:
            yield self._coming

    def _stop_refilling(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refill_now(self) -> None:
        if self._refilling is None or self._refilling.done():
            self._refilling = self._loop.create_task(self._refill())

    async def _refill(self) -> None:
        self._spares = [spare for spare in self._spares if spare.parked]
        while not self._closed and len(self._spares) < self._wanted:
            spare = self._coming = self._make(self._new_name())
            try:
                await spare.park()
            except SandboxError:
                return  # an instance that is started for somebody says why
            finally:
                self._coming = None
            self._spares.append(spare)
        if self._closed:
            self.close()


def unheard(line: bytes) -> None:
    """A spare says nothing before it has its code."""
