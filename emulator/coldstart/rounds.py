"""Runs of several sides, round by round: what the machine does in a round falls on all of them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from emulator.coldstart.experiment import RunFailed
from emulator.model.coldstart import ColdStart


class Runner(Protocol):
    """Who makes one cold start. Raises `RunFailed`."""

    async def run(self) -> ColdStart: ...


class SideFailed(Exception):
    """The run of a side failed; what was measured before stands."""

    def __init__(self, side: int, failure: RunFailed) -> None:
        super().__init__(str(failure))
        self.side = side
        self.body = failure.body


Round = tuple[ColdStart, ...]


async def rounds(
    sides: Sequence[Runner], *, least: int, most: int, seed: int, enough: Callable[[Sequence[Round]], bool]
) -> AsyncIterator[Round]:
    """Rounds, each with one run of each side, in an order that is drawn anew for each. From the `least` on they end
    when there are `enough`, at the latest with the `most`. Raises `SideFailed`."""
    chance = random.Random(seed)  # noqa: S311 - the order is to be repeated, not to be a secret
    done: list[Round] = []
    while len(done) < most and (len(done) < least or not enough(done)):
        made = await one_round(sides, chance.sample(range(len(sides)), len(sides)))
        done.append(made)
        yield made


async def one_round(sides: Sequence[Runner], order: Sequence[int]) -> Round:
    """One run of each side, in this order; the result is in theirs."""
    made: dict[int, ColdStart] = {}
    for number in order:
        try:
            made[number] = await sides[number].run()
        except RunFailed as failure:
            raise SideFailed(number, failure) from failure
    return tuple(made[number] for number in range(len(sides)))
