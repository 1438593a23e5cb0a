"""Cards in the scheduler's hands: what a birth claims, an instance holds, and an end gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from emulator.gpu.pool import GpuPool
from emulator.instance.instance import Instance
from emulator.journal.journal import Journal
from emulator.model.errors import FclocalError
from emulator.model.events import GpuHeld
from emulator.model.function import Function
from emulator.model.gpu import GpuLimit, GpuShare
from emulator.model.launch import WallsKind
from emulator.model.lifecycle import State, StopReason
from emulator.scheduler.pool import Pool

DISPLACEABLE = (State.IDLE, State.FROZEN)


class Claim:
    """What a birth holds until there is an instance, or why it can not have it."""

    def __init__(self, cards: GpuPool, claimed: GpuShare | FclocalError | None) -> None:
        self._cards = cards
        self._claimed = claimed

    def share(self) -> GpuShare | None:
        """Raises the error for which there is none."""
        if isinstance(self._claimed, FclocalError):
            raise self._claimed
        return self._claimed

    def drop(self) -> None:
        if isinstance(self._claimed, GpuShare):
            self._cards.give_back(self._claimed)


class GpuBook:
    """Claims are made when a birth is decided, so that no two decisions count on the same memory; what an instance
    holds is given back when its processes have ended."""

    def __init__(self, cards: GpuPool, journal: Journal, end: Callable[[Instance], None]) -> None:
        """`end` is to end all processes of an instance at once."""
        self._cards = cards
        self._journal = journal
        self._end = end
        self._told: set[str] = set()

    def room(self, function: Function) -> int | None:
        """How many more instances of a function the cards have memory for; None where it needs none."""
        return None if function.gpu is None else self._cards.room(function.gpu)

    def scarce(self, function: Function) -> str:
        return "" if function.gpu is None else self._cards.full(function.gpu)

    def claim(self, function: Function) -> Claim:
        if function.gpu is None:
            return Claim(self._cards, None)
        try:
            contained = function.walls is WallsKind.CONTAINER
            return Claim(self._cards, self._cards.claim(function.gpu, contained=contained))
        except FclocalError as error:
            return Claim(self._cards, error)

    def given(self, instance: Instance) -> None:
        if instance.gpu is not None:
            self._cards.meter.watch(instance.gpu, lambda: self._over(instance))
            self._tell(instance, "given")

    def froze(self, instance: Instance) -> None:
        """A frozen instance keeps what it has on the card: FC's idle GPU instance."""
        if instance.gpu is not None and instance.state is State.FROZEN:
            instance.gpu.look()
            self._tell(instance, "idle")

    def give_back(self, instance: Instance) -> None:
        if instance.gpu is not None:
            self._cards.meter.leave(instance.gpu)
            self._cards.give_back(instance.gpu.share)
            self._tell(instance, "returned")

    def _over(self, instance: Instance) -> None:
        gpu = instance.gpu
        if gpu is None or instance.ended or gpu.ended_for_it:
            return
        enforced = self._cards.limit is GpuLimit.ENFORCE
        if enforced or instance.id not in self._told:
            self._told.add(instance.id)
            self._tell(instance, "over")
        if enforced:
            gpu.ended_for_it = True
            self._end(instance)

    def _tell(self, instance: Instance, what: str) -> None:
        gpu = instance.gpu
        if gpu is not None:
            now, share = self._journal.now(), gpu.share
            free = self._cards.free_mb(share)
            used = None if what == "returned" else gpu.used_mb
            self._journal.append(
                GpuHeld(now, instance.id, instance.function, what, share.names, gpu.size_mb, used, free)
            )


def is_leaving(pools: Iterable[Pool], wants: Pool) -> bool:
    """Whether part of a card is given back in a moment, or may be: who has it ends, or stands still in a moment."""
    return any(
        it.gpu is not None
        and (it.ended or it.condemned is StopReason.DISPLACED or (it.state is State.FREEZING and pool is not wants))
        for pool in pools
        for it in pool.instances.values()
    )


def displaceable(pools: Iterable[Pool], wants: Pool) -> Instance | None:
    """Of other functions' instances that only keep their part of a card warm, the one that was used longest ago."""
    idle = [
        it
        for pool in pools
        if pool is not wants
        for it in pool.instances.values()
        if it.gpu is not None
        and it.state in DISPLACEABLE
        and not (it.provisioned or it.reserved or it.paused)
        and it.condemned is None
    ]
    return min(idle, key=lambda it: it.since, default=None)
