"""Acts on the plan: leases, births, freezes and ends. Owns every instance and every task about one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from emulator.instance import hooks, messages, readiness
from emulator.instance.deadlines import Deadlines
from emulator.instance.health import watch
from emulator.instance.hooks import InitializerFailed
from emulator.instance.instance import NO_PRE_STOP, Instance
from emulator.journal.journal import Journal
from emulator.model.errors import (
    FclocalError,
    InternalServerError,
    PortTaken,
    ResourceExhausted,
    UserError,
)
from emulator.model.function import Revision
from emulator.model.lifecycle import State, StopReason
from emulator.scheduler import pool as pools
from emulator.scheduler.plan import Create, Decision, Freeze, Give, Plan, Refuse, Retire, Rules, View, plan
from emulator.scheduler.pool import Pool, Waiter

SOON_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Limits:
    """The emulator's own bounds. `births_at_once` keeps a burst from starting more than the cores can."""

    freeze: bool = True
    freeze_after: float = 0.015
    keep_alive: float = 240.0
    max_instances: int = 300
    queue_timeout: float = 0.0
    start_timeout: float = 120.0
    births_at_once: int = max(4, 2 * (os.cpu_count() or 1))


class Maker(Protocol):
    """Makes instances of revisions, in STARTING; nothing of them runs yet."""

    def make(
        self,
        revision: Revision,
        *,
        capacity: int,
        provisioned: bool,
        deadlines: Deadlines,
        changed: Callable[[Instance], None],
    ) -> Instance: ...

    def turn(self, instance: Instance) -> AbstractAsyncContextManager[None]:
        """Around the start of an instance, which may have to wait for others. Raises `PortTaken` where that is why
        it did not start."""
        ...

    def release(self, instance: Instance) -> None:
        """The instance is gone: what it held may be given to another."""
        ...


class Scheduler:
    """The one owner of instances. `lease` is its only door for invocations."""

    def __init__(self, maker: Maker, journal: Journal, limits: Limits) -> None:
        self._maker = maker
        self._journal = journal
        self._limits = limits
        self._pools: dict[Revision, Pool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._births = 0
        self._stopping: set[str] = set()
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
        waiter = pool.wait(self._journal.now(), request_id, session)
        self._replan(pool)
        try:
            instance = await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                waiter.future.result().give_back()
            raise
        finally:
            pool.waiters.pop(waiter.waiting.key, None)
        return instance

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
                _fail(waiter, ResourceExhausted("the emulator is stopping"))
            pool.disarm()
        for instance in self.instances():
            self._retire(instance, StopReason.SHUTDOWN)
        while self._tasks or self.instances():
            if self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.wait([it.sandbox.exited for it in self.instances()], timeout=0.1)

    async def kill(self) -> None:
        """End everything now, whatever it is doing."""
        self._closed = True
        for instance in self.instances():
            await instance.sandbox.kill()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

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
                sessions_per_seat=pools.sessions_per_seat(function.session, function.isolation, function.is_custom),
            )
            pool = self._pools[revision] = Pool(revision, rules)
        return pool

    def _view(self, pool: Pool) -> View[Instance]:
        total = sum(len(it.instances) for it in self._pools.values()) + self._births
        allowed = self._limits.max_instances - total
        own = len(pool.instances) + pool.births
        maximum = 1 if pool.single else pool.revision.function.max_instances
        if maximum is not None:
            allowed = min(allowed, maximum - own)
        return View(
            now=self._journal.now(),
            rules=pool.rules,
            seats=list(pool.instances.values()),
            waiting=[waiter.waiting for waiter in pool.waiters.values() if not waiter.future.done()],
            births=pool.births - pool.provisioned_births,
            provisioned_births=pool.provisioned_births + (pool.rules.provisioned if pool.give_up_provisioning else 0),
            allowed=max(0, allowed),
            at_once=max(0, self._limits.births_at_once - self._births),
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
                self._create(pool, provisioned)
            case Refuse(waiting, why):
                waiter = pool.waiters.pop(waiting.key)
                name = pool.revision.function.name
                _fail(waiter, ResourceExhausted(f"function '{name}' can not be served: {why}"))
            case Freeze(seat):
                self._own(self._freeze(seat))
            case Retire(seat, reason):
                self._retire(seat, reason)

    def _changed(self, instance: Instance) -> None:
        """An instance moved, or has room again."""
        pool = self._pools.get(instance.revision)
        if pool is None:
            return
        if instance.state is State.STOPPING:
            self._stop(instance)
        if pool.waiters and not pool.rules.sessions_per_seat and not pool.planning:
            self._serve_oldest(pool, instance)
        if pool.waiters or instance.condemned is not None or not pool.current or pool.rules.sessions_per_seat:
            self._replan(pool)
        elif instance.room > 0:
            pool.note_room(instance)
            soon = instance.since + pool.rules.cools_after
            if instance.state is State.IDLE and not pool.planning and soon < pool.wake_at:
                self._arm(pool, soon)
        elif instance.state is State.FROZEN and not pool.planning:
            self._replan(pool)

    def _serve_oldest(self, pool: Pool, instance: Instance) -> None:
        """The plan's own rule where it is plain: room that came free goes to whoever waits longest."""
        while instance.room > 0 and pool.waiters:
            waiter = next(iter(pool.waiters.values()))
            self._give(pool, waiter, instance)

    # --- acting ---

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _give(self, pool: Pool, waiter: Waiter, instance: Instance) -> None:
        pool.waiters.pop(waiter.waiting.key, None)
        if waiter.waiting.session:
            instance.sessions.add(waiter.waiting.session)
        if instance.state is State.FROZEN:
            instance.reserved = True
            self._own(self._give_thawed(pool, waiter, instance))
        elif not waiter.future.done():
            instance.take()
            waiter.future.set_result(instance)

    async def _give_thawed(self, pool: Pool, waiter: Waiter, instance: Instance) -> None:
        try:
            await instance.thaw()
        finally:
            instance.reserved = False
        if waiter.future.done():
            self._replan(pool)
        elif instance.room > 0:
            instance.take()
            waiter.future.set_result(instance)
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

    async def _freeze(self, instance: Instance) -> None:
        if instance.state is not State.IDLE or instance.reserved:
            return
        hook = instance.revision.function.pre_freeze
        await instance.freeze(hooks.pre_freeze if hook is not None else None, hook)

    def _create(self, pool: Pool, provisioned: bool) -> None:
        self._births += 1
        pool.births += 1
        pool.provisioned_births += provisioned
        oldest = pool.oldest_waiters(pool.births)
        cause = oldest[-1].request_id if oldest else ""
        self._own(self._birth(pool, provisioned, cause))

    async def _birth(self, pool: Pool, provisioned: bool, cause: str) -> None:
        error: FclocalError | None = None
        try:
            await self._bring_up(pool, provisioned, cause)
        except PortTaken as taken:
            told = pool.single
            pool.single = any(not it.ended for it in pool.instances.values())
            error = None if pool.single else taken
            if not told:
                self._journal.notice(str(taken), function=str(pool.revision.function.name))
        except UserError as ours:
            error = messages.not_startable(ours)
        except FclocalError as failed:
            error = failed
        except Exception as bug:  # a bug of ours must reach the caller, not vanish in a task
            error = InternalServerError(f"{type(bug).__name__}: {bug}")
            raise
        finally:
            self._births -= 1
            pool.births -= 1
            pool.provisioned_births -= provisioned
            if error is not None:
                self._tell(pool, provisioned, error)
            for other in list(self._pools.values()):
                if other.waiters or other is pool:
                    self._replan(other)

    async def _bring_up(self, pool: Pool, provisioned: bool, cause: str) -> None:
        instance = self._maker.make(
            pool.revision,
            capacity=pool.rules.capacity,
            provisioned=provisioned,
            deadlines=pool.deadlines,
            changed=self._changed,
        )
        pool.instances[instance.id] = instance
        instance.sandbox.exited.add_done_callback(lambda _: self._exited(pool, instance))
        try:
            async with self._maker.turn(instance):
                await readiness.give_birth(instance, cause, self._limits.start_timeout)
        except BaseException as error:
            if not instance.ended:
                failed = isinstance(error, InitializerFailed)
                instance.retired(StopReason.INIT_FAILED if failed else StopReason.START_FAILED)
            raise
        health_check = pool.revision.function.custom_runtime.health_check
        if health_check is not None:
            self._own(watch(instance, health_check))

    def _tell(self, pool: Pool, provisioned: bool, error: FclocalError) -> None:
        """A failed birth is told to the requests it was for, and is not retried in a loop."""
        if provisioned:
            pool.give_up_provisioning = True
            self._journal.notice(f"a provisioned instance failed: {error}", function=str(pool.revision.function.name))
            return
        for waiter in pool.oldest_waiters(pool.rules.capacity):
            pool.waiters.pop(waiter.waiting.key, None)
            _fail(waiter, error)

    def _retire(self, instance: Instance, reason: StopReason) -> None:
        if instance.state is State.FROZEN:
            instance.reserved = True
            self._own(self._retire_frozen(instance, reason))
        elif instance.state is State.BUSY and reason is StopReason.SHUTDOWN:
            instance.condemned = reason
            instance.retired(reason)
        elif not instance.ended and instance.state is not State.DRAINING:
            instance.retired(reason)

    async def _retire_frozen(self, instance: Instance, reason: StopReason) -> None:
        """A frozen process hears neither SIGTERM nor the PreStop request, so it is thawed first."""
        await instance.thaw()
        if not instance.ended:
            instance.retired(reason)

    def _stop(self, instance: Instance) -> None:
        if instance.id not in self._stopping:
            self._stopping.add(instance.id)
            self._own(self._end(instance))

    async def _end(self, instance: Instance) -> None:
        hook = instance.revision.function.pre_stop
        if hook is not None and instance.init_ms and instance.stop_reason not in NO_PRE_STOP:
            await hooks.pre_stop(instance, hook)
        await instance.stop()

    def _exited(self, pool: Pool, instance: Instance) -> None:
        oom = instance.sandbox.exited.result().oom
        instance.exited(StopReason.OOM if oom else StopReason.CRASHED)
        self._own(self._bury(pool, instance))

    async def _bury(self, pool: Pool, instance: Instance) -> None:
        self._maker.release(instance)
        try:
            await instance.aclose()
        finally:
            self._stopping.discard(instance.id)
            pool.forget(instance)
            self._replan(pool)


def _fail(waiter: Waiter, error: FclocalError) -> None:
    if not waiter.future.done():
        waiter.future.set_exception(error)
