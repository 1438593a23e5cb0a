"""Acts on the plan: gives instances to requests, and says when one is born, frozen or ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass

from emulator.instance.instance import Instance
from emulator.journal.journal import Journal
from emulator.model.errors import ClientClosedRequest, FclocalError, ResourceExhausted
from emulator.model.function import Revision
from emulator.model.lifecycle import State, StopReason
from emulator.scheduler import pool as pools
from emulator.scheduler.nursery import Maker, Nursery
from emulator.scheduler.plan import Create, Decision, Freeze, Give, Plan, Refuse, Retire, Rules, View, plan
from emulator.scheduler.pool import OnTaken, Pool, Waiter

SOON_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Limits:
    """The emulator's own bounds. `births_at_once` keeps a burst from starting more than the cores can, and `patience`
    is how long a request waits for a busy instance before it gets one of its own.
    """

    freeze: bool = True
    freeze_after: float = 0.015
    keep_alive: float = 240.0
    max_instances: int = 300
    queue_timeout: float = 0.0
    patience: float = 0.025
    start_timeout: float = 120.0
    births_at_once: int = max(4, 2 * (os.cpu_count() or 1))


class Scheduler:
    """The one owner of instances. Invocations come in by `take`, `ask` and `lease`."""

    def __init__(self, maker: Maker, journal: Journal, limits: Limits) -> None:
        self._journal = journal
        self._limits = limits
        self._pools: dict[Revision, Pool] = {}
        self._nursery = Nursery(maker, journal, limits.start_timeout, self)
        self._closed = False

    def __repr__(self) -> str:
        return f"<Scheduler {len(self._pools)} pools, {sum(len(p.instances) for p in self._pools.values())} instances>"

    # --- for the dispatcher ---

    def take(self, revision: Revision) -> Instance | None:
        """An instance that is awake and has room, at once; None where that needs `lease`. Not for sessions."""
        pool = self._pools.get(revision)
        if pool is None or pool.waiters:
            return None
        return pool.take_hot()

    async def lease(self, revision: Revision, request_id: str, session: str = "") -> Instance:
        """An instance, awake and taken. Raises `FCError`s and `InitializerFailed`."""
        pool = self._pool(revision)
        if not session and not pool.waiters:
            instance = pool.take_hot() or await self._thawed(pool)
            if instance is not None:
                return instance
        future: asyncio.Future[Instance | FclocalError] = asyncio.get_running_loop().create_future()

        def taken(found: Instance | FclocalError) -> None:
            if not future.done():
                future.set_result(found)
            elif isinstance(found, Instance):
                found.give_back()

        waiter = self._wait(pool, request_id, session, taken)
        try:
            found = await future
        except asyncio.CancelledError:
            if not future.cancelled() and isinstance(found := future.result(), Instance):
                found.give_back()
            raise
        finally:
            waiter.on_taken = None
            pool.waiters.pop(waiter.waiting.key, None)
        if isinstance(found, FclocalError):
            raise found
        return found

    def ask(self, revision: Revision, request_id: str, on_taken: OnTaken) -> Waiter | None:
        """`lease` by a callback, for a function whose instances are awake; None where that needs `lease` itself.

        `on_taken` may be called before this returns.
        """
        pool = self._pools.get(revision)
        if pool is None or (not pool.waiters and pool.frozen() is not None):
            return None
        return self._wait(pool, request_id, "", on_taken)

    def leave(self, revision: Revision, waiter: Waiter) -> None:
        """A request that asked does not wait any longer."""
        pool = self._pools.get(revision)
        if pool is not None:
            pool.waiters.pop(waiter.waiting.key, None)
        waiter.settle(ClientClosedRequest())

    def _wait(self, pool: Pool, request_id: str, session: str, on_taken: OnTaken) -> Waiter:
        only_waits = pool.saturated and bool(pool.waiters) and not session
        waiter = pool.wait(self._journal.now(), request_id, session, on_taken)
        if not only_waits:
            self._replan(pool)
        return waiter

    def instances(self) -> Sequence[Instance]:
        return [instance for pool in self._pools.values() for instance in pool.instances.values()]

    # --- for the registry: revisions come and go ---

    def deploy(self, revision: Revision) -> None:
        """Know a revision: its provisioned instances are built at once."""
        self._replan(self._pool(revision))

    def withdraw(self, revision: Revision) -> None:
        """No name points at it any more: idle instances go, busy ones drain."""
        pool = self._pools.get(revision)
        if pool is not None:
            pool.current = False
            self._replan(pool)

    async def aclose(self) -> None:
        """Drain: let what runs finish, run PreStop hooks, end everything."""
        self._closed = True
        for pool in self._pools.values():
            pool.current = False
            for waiter in list(pool.waiters.values()):
                waiter.settle(ResourceExhausted("the emulator is stopping"))
            pool.disarm()
        for instance in self.instances():
            self._nursery.retire(instance, StopReason.SHUTDOWN)
        while self._nursery.tasks or self.instances():
            if self._nursery.tasks:
                await asyncio.wait(self._nursery.tasks, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.wait([it.sandbox.exited for it in self.instances()], timeout=0.1)

    async def kill(self) -> None:
        """End everything now, whatever it is doing."""
        self._closed = True
        await asyncio.gather(*(instance.sandbox.kill() for instance in self.instances()))
        self._nursery.cancel()
        if self._nursery.tasks:
            await asyncio.wait(self._nursery.tasks)

    # --- planning ---

    def _pool(self, revision: Revision) -> Pool:
        pool = self._pools.get(revision)
        if pool is None:
            function = revision.function
            rules = Rules(
                capacity=pools.capacity_of(revision),
                provisioned=function.provisioned,
                on_demand=function.on_demand,
                freeze_after=self._limits.freeze_after if self._limits.freeze else None,
                keep_alive=function.idle_timeout or self._limits.keep_alive,
                queue_timeout=self._limits.queue_timeout,
                patience=self._limits.patience,
                sessions_per_seat=pools.sessions_per_seat(function.session, function.isolation, function.is_custom),
            )
            pool = self._pools[revision] = Pool(revision, rules)
        return pool

    def _view(self, pool: Pool) -> View[Instance]:
        allowed = self._limits.max_instances - sum(it.size for it in self._pools.values())
        maximum = 1 if pool.single else pool.revision.function.max_instances
        if maximum is not None:
            allowed = min(allowed, maximum - pool.size)
        return View(
            now=self._journal.now(),
            rules=pool.rules,
            seats=list(pool.instances.values()),
            waiting=[waiter.waiting for waiter in pool.waiters.values() if not waiter.settled],
            births=pool.births - pool.provisioned_births,
            provisioned_births=pool.provisioned_births + (pool.rules.provisioned if pool.give_up_provisioning else 0),
            allowed=max(0, allowed),
            at_once=max(0, self._limits.births_at_once - self._nursery.births),
            current=pool.current,
        )

    def _replan(self, pool: Pool) -> None:
        """Plan and act until nothing changes; moves made meanwhile only mark the pool dirty."""
        pool.dirty = True
        if pool.planning:
            return
        pool.planning = True
        result: Plan[Instance] = Plan()
        try:
            while pool.dirty:
                pool.dirty = False
                result = plan(self._view(pool))
                for decision in result.decisions:
                    self._act(pool, decision)
        finally:
            pool.planning = False
        pool.saturated = result.saturated
        self._arm(pool, result.wake_at)
        if not pool.current and pool.empty:
            pool.deadlines.close()
            self._pools.pop(pool.revision, None)

    def _arm(self, pool: Pool, at: float | None) -> None:
        pool.disarm()
        if at is not None and not self._closed:
            delay = max(SOON_SECONDS, at - self._journal.now())
            pool.wake_at = at
            pool.timer = asyncio.get_running_loop().call_later(delay, self._tick, pool)

    def _tick(self, pool: Pool) -> None:
        pool.disarm()
        self._replan(pool)

    def _act(self, pool: Pool, decision: Decision[Instance]) -> None:
        match decision:
            case Give(waiting, seat):
                self._give(pool, pool.waiters[waiting.key], seat)
            case Create(provisioned):
                self._nursery.create(pool, provisioned)
            case Refuse(waiting, why):
                waiter = pool.waiters.pop(waiting.key)
                name = pool.revision.function.name
                waiter.settle(ResourceExhausted(f"function '{name}' can not be served: {why}"))
            case Freeze(seat):
                self._nursery.freeze(seat)
            case Retire(seat, reason):
                self._nursery.retire(seat, reason)

    # --- what the nursery tells ---

    def changed(self, pool: Pool, instance: Instance) -> None:
        state = instance.state
        if state is State.STOPPING:
            self._nursery.stop(instance)
        sessions = pool.rules.sessions_per_seat
        if pool.waiters and not sessions and not pool.planning:
            self._serve_oldest(pool, instance)
        # A saturated pool's plan stays what it is while room goes from one request to the next.
        waits = bool(pool.waiters) and (not pool.saturated or state is State.FROZEN)
        if waits or sessions or instance.condemned is not None or not pool.current:
            self._replan(pool)
        elif instance.room > 0:
            pool.note_room(instance)
            soon = instance.since + pool.rules.cools_after
            if state is State.IDLE and not pool.planning and soon < pool.wake_at:
                self._arm(pool, soon)
        elif state is State.FROZEN and not pool.planning:
            self._replan(pool)

    def born(self, pool: Pool, provisioned: bool, error: FclocalError | None) -> None:
        if error is not None:
            self._tell(pool, provisioned, error)
        self._replan_with_waiting(pool)

    def gone(self, pool: Pool) -> None:
        self._replan_with_waiting(pool)

    def _replan_with_waiting(self, pool: Pool) -> None:
        """All functions share the limits, so what one pool gives up may be what another waits for."""
        for other in list(self._pools.values()):
            if other.waiters or other is pool:
                self._replan(other)

    def _serve_oldest(self, pool: Pool, instance: Instance) -> None:
        """The plan's own rule where it is plain: room that came free goes to whoever waits longest."""
        while pool.waiters and instance.room > 0:
            waiter = next(iter(pool.waiters.values()))
            self._give(pool, waiter, instance)

    # --- acting ---

    def _give(self, pool: Pool, waiter: Waiter, instance: Instance) -> None:
        pool.waiters.pop(waiter.waiting.key, None)
        if waiter.waiting.session:
            instance.sessions.add(waiter.waiting.session)
        if instance.state is State.FROZEN:
            instance.reserved = True
            self._nursery.own(self._give_thawed(pool, waiter, instance))
        elif not waiter.settled:
            instance.take()
            waiter.settle(instance)

    async def _give_thawed(self, pool: Pool, waiter: Waiter, instance: Instance) -> None:
        try:
            await instance.thaw()
        finally:
            instance.reserved = False
        if waiter.settled:
            self._replan(pool)
        elif instance.room > 0:
            instance.take()
            waiter.settle(instance)
        else:
            pool.waiters[waiter.waiting.key] = waiter
            self._replan(pool)

    async def _thawed(self, pool: Pool) -> Instance | None:
        """Thaw the frozen instance used last and take it: the quick way back after a pause."""
        instance = pool.frozen()
        if instance is None:
            return None
        instance.reserved = True
        try:
            await instance.thaw()
        finally:
            instance.reserved = False
        if instance.room <= 0:
            return None
        instance.take()
        return instance

    def _tell(self, pool: Pool, provisioned: bool, error: FclocalError) -> None:
        """A failed birth is told to the requests it was for, and is not retried in a loop."""
        if provisioned:
            pool.give_up_provisioning = True
            self._journal.notice(f"a provisioned instance failed: {error}", function=str(pool.revision.function.name))
            return
        for waiter in pool.oldest_waiters(pool.rules.capacity):
            pool.waiters.pop(waiter.waiting.key, None)
            waiter.settle(error)
