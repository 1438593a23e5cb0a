"""One pool as the policy sees it: what it has, who waits, and how much may be created."""

from __future__ import annotations

import os
from collections.abc import Collection

from msgspec import Struct

from emulator.config.settings import Settings
from emulator.instance.instance import Instance
from emulator.model.function import Revision
from emulator.model.lifecycle import StopReason
from emulator.scheduler.gpus import displaceable, is_leaving
from emulator.scheduler.nursery import Nursery
from emulator.scheduler.plan import Rules, View
from emulator.scheduler.pool import Pool, capacity_of, sessions_per_seat

PLENTY = 1_000_000


class Limits(Struct, frozen=True):
    """The emulator's own bounds. `births_at_once` keeps a burst from starting more than the cores can, and `patience`
    is how long a request waits for a busy instance before it gets one of its own; `over_patience` how long it waits for
    one that is busy on old code and may take the new one.
    """

    freeze: bool = True
    freeze_after: float = 0.015
    keep_alive: float = 240.0
    max_instances: int = 300
    queue_timeout: float = 0.0
    patience: float = 0.025
    over_patience: float = 10.0
    start_timeout: float = 120.0
    births_at_once: int = max(4, 2 * (os.cpu_count() or 1))

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        return cls(
            freeze=settings.freeze,
            freeze_after=settings.freeze_after_ms / 1000,
            keep_alive=settings.keep_alive,
            max_instances=settings.max_instances,
            queue_timeout=settings.queue_timeout,
            start_timeout=settings.start_timeout,
        )


def rules_of(revision: Revision, limits: Limits) -> Rules:
    """Where the revision is there for a forced cold start, its instance does nothing but that."""
    function = revision.function
    return Rules(
        capacity=capacity_of(revision),
        provisioned=0 if revision.alone else function.provisioned.default,
        on_demand=function.on_demand or revision.alone,
        freeze_after=limits.freeze_after if limits.freeze and not revision.alone else None,
        keep_alive=function.idle_timeout or limits.keep_alive,
        queue_timeout=limits.queue_timeout,
        patience=limits.patience,
        sessions_per_seat=sessions_per_seat(function.session, function.isolation, function.is_custom),
    )


def view_of(pool: Pool, pools: Collection[Pool], limits: Limits, nursery: Nursery, now: float) -> View[Instance]:
    function = pool.revision.function
    allowed = limits.max_instances - sum(it.size for it in pools)
    maximum = 1 if pool.single else function.max_instances
    if maximum is not None:
        allowed = min(allowed, maximum - pool.size)
    room = nursery.gpus.room(function)
    lacks_gpu = room is not None and room < allowed
    if room is not None:
        allowed = min(allowed, room)
    provided = pool.give_up_provisioning or pool.awaits
    return View(
        now=now,
        rules=pool.rules,
        seats=list(pool.instances.values()),
        waiting=[waiter.waiting for waiter in pool.waiters.values() if not waiter.settled],
        births=PLENTY if pool.awaits else pool.births - pool.provisioned_births,
        provisioned_births=pool.provisioned_births + (pool.rules.provisioned if provided else 0),
        allowed=max(0, allowed),
        at_once=max(0, limits.births_at_once - nursery.births_running),
        current=pool.current,
        stands=pool.stands_since is not None,
        scarce=nursery.gpus.scarce(function) if lacks_gpu else "",
        leaving=lacks_gpu and is_leaving(pools, pool),
    )


def make_gpu_room(pool: Pool, pools: Collection[Pool], nursery: Nursery) -> None:
    """Cards are few, and an idle instance holds its part of one for minutes: where a request of another function waits
    for that, it goes."""
    function = pool.revision.function
    if function.gpu is None or not pool.waiters or nursery.gpus.room(function) or is_leaving(pools, pool):
        return
    if any(it.room > 0 for it in pool.instances.values()) or pool.frozen() is not None or pool.births:
        return
    found = displaceable(pools, pool)
    if found is not None:
        found.condemn(StopReason.DISPLACED)
