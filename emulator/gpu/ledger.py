"""Who holds how much of which card: pure accounting, in MB as cards are sold."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from msgspec import Struct

from emulator.model.gpu import Card, GpuShare

# More instances than any machine carries.
PLENTY = 1000


class Demand(Struct, frozen=True):
    """`size_mb` of each of `cards` different cards."""

    type: str
    cards: int
    size_mb: int


class Ledger:
    """Never gives more of a card than it has. A slice goes where the least is left, so that whole cards stay whole."""

    def __init__(self, cards: Iterable[Card]) -> None:
        self.cards: Sequence[Card] = tuple(cards)
        self._free = {card.uuid: card.size_mb for card in self.cards}
        self._held: dict[int, GpuShare] = {}
        self._numbers = itertools.count(1)

    def free_mb(self, card: Card) -> int:
        return self._free[card.uuid]

    @property
    def held(self) -> Sequence[GpuShare]:
        return tuple(self._held.values())

    def room(self, demand: Demand) -> int:
        """How many more shares like this there could be."""
        free = dict(self._free)
        count = 0
        while count < PLENTY and (chosen := self._chosen(demand, free)):
            count += 1
            for card in chosen:
                free[card.uuid] -= demand.size_mb
        return count

    def claim(self, demand: Demand) -> GpuShare | None:
        """A share, which is its holder's until it is given back; None where no room is left."""
        chosen = self._chosen(demand, self._free)
        if not chosen:
            return None
        share = GpuShare(next(self._numbers), demand.type, chosen, demand.size_mb)
        self._held[share.number] = share
        for card in chosen:
            self._free[card.uuid] -= demand.size_mb
        return share

    def give_back(self, share: GpuShare) -> None:
        """May be called twice."""
        held = self._held.pop(share.number, None)
        for card in held.cards if held is not None else ():
            self._free[card.uuid] += share.size_mb

    def _chosen(self, demand: Demand, free: dict[str, int]) -> tuple[Card, ...]:
        fitting = [card for card in self.cards if free[card.uuid] >= demand.size_mb > 0]
        fitting.sort(key=lambda card: (free[card.uuid], card.index))
        return tuple(fitting[: demand.cards]) if len(fitting) >= demand.cards > 0 else ()


def demand_of(type_: str, memory_mb: int, card_mb: int, cards: Sequence[Card]) -> tuple[Demand, str]:
    """What so much GPU memory of FC's cards, of `card_mb` each, is on these; and what it lacks, as a clause."""
    wanted = max(1, -(-memory_mb // card_mb))
    size = min(memory_mb, card_mb)
    large = [card for card in cards if card.size_mb >= size]
    if len(large) >= wanted:
        return Demand(type_, wanted, size), ""
    if wanted == 1 or not large:
        # As many as asked for, or as there are, of the largest: what fits on them runs.
        best = max(card.size_mb for card in cards)
        count = min(wanted, sum(card.size_mb == best for card in cards))
        name = next(card.name for card in cards if card.size_mb == best)
        return Demand(type_, count, best), f"no card here has {size} MB: it gets all {best} MB of {_times(count)}{name}"
    lacks = f"{wanted} cards are asked for: it gets the {len(large)} that are here"
    return Demand(type_, len(large), size), lacks


def _times(count: int) -> str:
    return f"each of {count} × " if count > 1 else ""
