"""Births and ends of instances, and every task that is about one. When each happens is the scheduler's decision."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from emulator.instance import hooks, messages, readiness
from emulator.instance.deadlines import Deadlines
from emulator.instance.health import watch
from emulator.instance.hooks import InitializerFailed
from emulator.instance.instance import NO_PRE_STOP, Instance
from emulator.journal.journal import Journal
from emulator.model.errors import FclocalError, InternalServerError, PortTaken, UserError
from emulator.model.function import Revision
from emulator.model.lifecycle import State, StopReason
from emulator.scheduler.pool import Pool


class Maker(Protocol):
    """Makes instances of revisions, in STARTING; nothing of them runs yet."""

    async def make(
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


class Planner(Protocol):
    """Who is told of what happened to a pool."""

    def changed(self, pool: Pool, instance: Instance) -> None:
        """An instance moved, or has room again."""
        ...

    def born(self, pool: Pool, provisioned: bool, error: FclocalError | None) -> None:
        """A birth is over: an instance has joined the pool, or `error` says why none did."""
        ...

    def gone(self, pool: Pool) -> None:
        """An instance has left the pool."""
        ...


class Nursery:
    """`births` counts those under way, `tasks` are all that run; both are empty after the last instance has gone."""

    def __init__(self, maker: Maker, journal: Journal, start_timeout: float, planner: Planner) -> None:
        self._maker = maker
        self._journal = journal
        self._start_timeout = start_timeout
        self._planner = planner
        self._stopping: set[str] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        # Among the tasks: what clears away after instances that are gone. Never cancelled, or they would stay known.
        self._burials: set[asyncio.Task[None]] = set()
        self.births = 0

    def own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something about an instance as a task that is waited for at the end."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def cancel(self) -> None:
        """Give up whatever is under way about instances that are still there."""
        for task in self.tasks - self._burials:
            task.cancel()

    # --- births ---

    def create(self, pool: Pool, provisioned: bool) -> None:
        self.births += 1
        pool.births += 1
        pool.unmade += 1
        pool.provisioned_births += provisioned
        oldest = pool.oldest_waiters(pool.births)
        cause = oldest[-1].request_id if oldest else ""
        self.own(self._birth(pool, provisioned, cause))

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
            self.births -= 1
            pool.births -= 1
            pool.provisioned_births -= provisioned
            self._planner.born(pool, provisioned, error)

    async def _bring_up(self, pool: Pool, provisioned: bool, cause: str) -> None:
        try:
            instance = await self._maker.make(
                pool.revision,
                capacity=pool.rules.capacity,
                provisioned=provisioned,
                deadlines=pool.deadlines,
                changed=functools.partial(self._planner.changed, pool),
            )
        finally:
            pool.unmade -= 1
        pool.instances[instance.id] = instance
        instance.sandbox.exited.add_done_callback(lambda _: self._exited(pool, instance))
        try:
            async with self._maker.turn(instance):
                await readiness.give_birth(instance, cause, self._start_timeout)
        except BaseException as error:
            if not instance.ended:
                failed = isinstance(error, InitializerFailed)
                instance.retired(StopReason.INIT_FAILED if failed else StopReason.START_FAILED)
            raise
        health_check = pool.revision.function.custom_runtime.health_check
        if health_check is not None:
            self.own(watch(instance, health_check))

    # --- freezing ---

    def freeze(self, instance: Instance) -> None:
        self.own(self._freeze(instance))

    async def _freeze(self, instance: Instance) -> None:
        if instance.state is not State.IDLE or instance.reserved:
            return
        hook = instance.revision.function.pre_freeze
        await instance.freeze(hooks.pre_freeze if hook is not None else None, hook)

    # --- ends ---

    def retire(self, instance: Instance, reason: StopReason) -> None:
        if instance.state is State.FROZEN:
            instance.reserved = True
            self.own(self._retire_frozen(instance, reason))
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

    def stop(self, instance: Instance) -> None:
        """End the process of an instance that is STOPPING; further calls change nothing."""
        if instance.id not in self._stopping:
            self._stopping.add(instance.id)
            self.own(self._end(instance))

    async def _end(self, instance: Instance) -> None:
        hook = instance.revision.function.pre_stop
        if hook is not None and instance.init_ms and instance.stop_reason not in NO_PRE_STOP:
            await hooks.pre_stop(instance, hook)
        await instance.stop()

    def _exited(self, pool: Pool, instance: Instance) -> None:
        oom = instance.sandbox.exited.result().oom
        instance.exited(StopReason.OOM if oom else StopReason.CRASHED)
        burial = self.own(self._bury(pool, instance))
        self._burials.add(burial)
        burial.add_done_callback(self._burials.discard)

    async def _bury(self, pool: Pool, instance: Instance) -> None:
        self._maker.release(instance)
        try:
            await instance.aclose()
        finally:
            self._stopping.discard(instance.id)
            pool.forget(instance)
            self._planner.gone(pool)
