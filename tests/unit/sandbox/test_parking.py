"""Spares that are kept ready: how many there are, who gets them, and that none is left."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

from emulator.model.errors import SandboxError
from emulator.sandbox.parking import Parking


class Spare:
    def __init__(self, lot: Lot, name: str) -> None:
        self._lot = lot
        self.name = name
        self.parked = False

    async def park(self) -> None:
        self._lot.begun.append(self.name)
        if self._lot.fails:
            raise SandboxError("no more of them")
        await self._lot.gate.wait()
        self.parked = True

    def close_soon(self) -> asyncio.Task[None]:
        async def close() -> None:
            self.parked = False
            self._lot.closed.add(self.name)

        return asyncio.get_running_loop().create_task(close())


class Lot:
    """Spares that are parked when the gate is open."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.closed: set[str] = set()
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.made: dict[str, Spare] = {}
        self._numbers = itertools.count()
        self.parking = Parking(self._make)

    def _make(self, name: str) -> Spare:
        self.made[name] = Spare(self, name)
        return self.made[name]

    def keep(self, count: int) -> None:
        self.parking.keep(count, lambda: f"s-{next(self._numbers)}")

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                await asyncio.sleep(0.001)


def played(play: Callable[[Lot], Awaitable[None]]) -> None:
    async def run() -> None:
        await play(Lot())

    asyncio.run(run())


def test_what_was_taken_is_parked_anew() -> None:
    async def play(lot: Lot) -> None:
        lot.keep(1)
        await lot.until(lambda: len(lot.parking) == 1)
        name = lot.parking.reserve()
        assert name == "s-0" and lot.parking.is_reserved(name) and lot.parking.reserve() is None
        taken = lot.parking.take(name)
        assert taken is lot.made[name] and not lot.parking.is_reserved(name)
        await lot.until(lambda: len(lot.parking) == 1)
        await lot.parking.aclose()
        await lot.until(lambda: lot.closed == {"s-1"})

    played(play)


def test_what_is_given_back_is_there_for_the_next() -> None:
    async def play(lot: Lot) -> None:
        lot.keep(1)
        await lot.until(lambda: len(lot.parking) == 1)
        for _ in range(2):
            name = lot.parking.reserve()
            assert name == "s-0"
            lot.parking.give_back(name)
        await lot.parking.aclose()

    played(play)


def test_who_takes_none_while_one_comes_makes_no_further_one() -> None:
    async def play(lot: Lot) -> None:
        lot.gate.clear()
        lot.keep(1)
        await lot.until(lambda: lot.begun == ["s-0"])
        assert lot.parking.reserve() is None
        assert lot.parking.take("c-1") is None
        lot.keep(1)
        lot.gate.set()
        await lot.until(lambda: len(lot.parking) == 1)
        assert lot.begun == ["s-0"]
        await lot.parking.aclose()

    played(play)


def test_one_that_has_ended_is_not_given_out() -> None:
    async def play(lot: Lot) -> None:
        lot.keep(2)
        await lot.until(lambda: len(lot.parking) == 2)
        lot.made["s-1"].parked = False
        assert lot.parking.reserve() == "s-0"
        await lot.parking.aclose()

    played(play)


def test_one_that_comes_when_all_is_closed_is_closed_too() -> None:
    async def play(lot: Lot) -> None:
        lot.gate.clear()
        lot.keep(1)
        await lot.until(lambda: lot.begun == ["s-0"])
        lot.parking.close()
        lot.gate.set()
        await lot.parking.aclose()
        await lot.until(lambda: lot.closed == {"s-0"})
        assert len(lot.parking) == 0

    played(play)


def test_where_none_can_be_parked_nobody_tries_in_a_loop() -> None:
    async def play(lot: Lot) -> None:
        lot.fails = True
        lot.keep(3)
        await lot.until(lambda: lot.begun == ["s-0"])
        lot.fails = False
        assert lot.parking.take("c-1") is None
        await lot.until(lambda: len(lot.parking) == 3)
        await lot.parking.aclose()

    played(play)
