"""What the platform's clock makes older here: instances that wait for their next request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from emulator.instance.platform_clock import Tasks
from emulator.journal.journal import Journal
from emulator.model.function import Revision
from emulator.scheduler.nursery import Nursery
from emulator.scheduler.plan import freeze_in, reclaim_in
from emulator.scheduler.pool import Pool


class Idling:
    """The `Aging` of a scheduler. Only being idle is by the platform's time; requests wait in earnest."""

    def __init__(
        self, pools: Mapping[Revision, Pool], nursery: Nursery, journal: Journal, replan: Callable[[Pool], None]
    ) -> None:
        self._pools = pools
        self._nursery = nursery
        self._journal = journal
        self._replan = replan
        # Instances that were to be frozen, and how many requests each had had: one that can not be is not tried in vain
        # all the way.
        self._froze: dict[str, int] = {}

    def due_in(self) -> float | None:
        dues = [due for pool in self._pools.values() for due in self._dues(pool) if due > 0]
        return min(dues, default=None)

    def _dues(self, pool: Pool) -> Iterator[float]:
        now = self._journal.now()
        for instance in pool.instances.values():
            reclaim, freeze = (due(now, pool.rules, instance) for due in (reclaim_in, freeze_in))
            if reclaim is not None:
                yield reclaim
            if freeze is not None and self._froze.get(instance.id) != instance.served:
                yield freeze

    def _note_freezes(self) -> None:
        now, before = self._journal.now(), self._froze
        self._froze = {}
        for pool in self._pools.values():
            for instance in pool.instances.values():
                due = freeze_in(now, pool.rules, instance)
                if due is not None and due <= 0:
                    self._froze[instance.id] = instance.served
                elif instance.id in before:
                    self._froze[instance.id] = before[instance.id]

    def age(self, seconds: float) -> None:
        for pool in self._pools.values():
            for instance in pool.instances.values():
                # One that stands in the debugger does not grow older.
                if not instance.clock.stands:
                    instance.since -= seconds
        self._note_freezes()
        for pool in list(self._pools.values()):
            self._replan(pool)

    def busy(self) -> Tasks:
        return self._nursery.moves()
