"""Births and ends of instances, and every task that is about one. When each happens is the scheduler's decision."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

from emulator.gpu.pool import GpuPool
from emulator.instance import hooks, messages, readiness
from emulator.instance.deadlines import Deadlines
from emulator.instance.health import watch
from emulator.instance.hooks import InitializerFailed
from emulator.instance.instance import NO_PRE_STOP, Instance
from emulator.journal.journal import Journal
from emulator.model.errors import FclocalError, InternalServerError, PortTaken, UserError
from emulator.model.function import Revision
from emulator.model.gpu import GpuShare
from emulator.model.lifecycle import State, StopReason
from emulator.scheduler.gpus import Claim, GpuBook
from emulator.scheduler.pool import Pool

if TYPE_CHECKING:
    from emulator.instance.freezing import FreezeWatch

BORN = (State.STARTING, State.INITIALIZING)


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
        gpu: GpuShare | None = None,
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

    def home(self, instance: Instance) -> Pool:
        """Whose it is now: an instance that took the code of another revision has moved."""
        ...

    def paused(self, pool: Pool, instance: Instance) -> None:
        """A debugger has paused an instance, or resumed it."""
        ...

    def born(self, pool: Pool, provisioned: bool, error: FclocalError | None) -> None:
        """A birth is over: an instance has joined the pool, or `error` says why none did."""
        ...

    def gone(self, pool: Pool) -> None:
        """An instance has left the pool."""
        ...


class Nursery:
    """`births` counts those under way, `tasks` are all that run; both are empty after the last instance has gone."""

    def __init__(self, maker: Maker, journal: Journal, start_timeout: float, planner: Planner, cards: GpuPool) -> None:
        self._maker = maker
        self.gpus = GpuBook(cards, journal, self._kill)
        self._journal = journal
        self._start_timeout = start_timeout
        self._planner = planner
        self._stopping: set[str] = set()
        self.tasks: set[asyncio.Task[object]] = set()
        # Among the tasks: what clears away after instances that are gone. Never cancelled, or they would stay known.
        self._burials: set[asyncio.Task[object]] = set()
        self.births = 0
        # Among the tasks: those at whose end an instance is born, frozen, or a step further to its own.
        self._moves: dict[asyncio.Task[object], Instance | None] = {}
        # Instances that a debugger has paused while they are born.
        self._standing: set[str] = set()
        self._freezing: FreezeWatch | None = None

    @property
    def births_running(self) -> int:
        """Births that have work to do: one that is paused in the debugger must not hold up the others."""
        return self.births - len(self._standing)

    def own(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        """Run something about an instance as a task that is waited for at the end."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def _own_move(self, instance: Instance | None, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        task = self.own(work)
        self._moves[task] = instance
        task.add_done_callback(self._moves.pop)
        return task

    def moves(self) -> Collection[asyncio.Task[object]]:
        """Births, freezes and ends that are under way, but for instances in which somebody looks about."""
        return [task for task, instance in self._moves.items() if instance is None or not instance.paused]

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
        birth = self._birth(pool, provisioned, cause, self.gpus.claim(pool.revision.function))
        self._own_move(None, birth)

    async def _birth(self, pool: Pool, provisioned: bool, cause: str, claim: Claim) -> None:
        error: FclocalError | None = None
        try:
            await self._bring_up(pool, provisioned, cause, claim)
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

    async def _bring_up(self, pool: Pool, provisioned: bool, cause: str, claim: Claim) -> None:
        try:
            instance = await self._maker.make(
                pool.revision,
                capacity=pool.rules.capacity,
                provisioned=provisioned,
                deadlines=pool.deadlines,
                changed=functools.partial(self._planner.changed, pool),
                gpu=claim.share(),
            )
        except BaseException:
            claim.drop()
            raise
        finally:
            pool.unmade -= 1
        pool.instances[instance.id] = instance
        if (birth := asyncio.current_task()) in self._moves:
            self._moves[birth] = instance
        self.gpus.given(instance)
        instance.on_pause = functools.partial(self._paused, pool)
        instance.sandbox.exited.add_done_callback(lambda _: self._exited(instance))
        try:
            async with self._maker.turn(instance):
                await readiness.give_birth(instance, cause, self._start_timeout)
        except BaseException as error:
            if not instance.ended:
                failed = isinstance(error, InitializerFailed)
                instance.retired(StopReason.INIT_FAILED if failed else StopReason.START_FAILED)
            raise
        finally:
            self._standing.discard(instance.id)
        health_check = pool.revision.function.program.health_check
        if health_check is not None:
            self.own(watch(instance, health_check))

    def move(self, instance: Instance, pool: Pool, into: Pool) -> None:
        """An instance has the code of another revision now, and serves its pool."""
        pool.forget(instance)
        into.instances[instance.id] = instance
        changed = functools.partial(self._planner.changed, into)
        instance.join(into.revision, into.deadlines, changed, functools.partial(self._paused, into))
        instance.debugger.patched(instance)

    def _paused(self, pool: Pool, instance: Instance) -> None:
        if instance.paused and instance.state in BORN:
            self._standing.add(instance.id)
        else:
            self._standing.discard(instance.id)
        if instance.paused and instance.state is State.FROZEN:
            self.own(self._show(instance))
        self._planner.paused(pool, instance)

    # --- freezing ---

    def freeze(self, instance: Instance) -> None:
        self._own_move(instance, self._freeze(instance))

    async def _freeze(self, instance: Instance) -> None:
        if not _freezable(instance) or not await self._watch.before(instance) or not _freezable(instance):
            return
        hook, idle_since = instance.revision.function.pre_freeze, instance.since
        await instance.freeze(hooks.pre_freeze if hook is not None else None, hook)
        _keep_idle_time(instance, idle_since)
        self.gpus.froze(instance)
        await self._show(instance)
        await self._watch.after(instance)

    @property
    def _watch(self) -> FreezeWatch:
        if self._freezing is None:
            from emulator.instance.freezing import FreezeWatch  # no start needs it

            self._freezing = FreezeWatch()
        return self._freezing

    async def _show(self, instance: Instance) -> None:
        """Who looks at it in the debugger wants it awake, though it was frozen just after it had stopped there."""
        if instance.paused:
            await instance.thaw()

    # --- ends ---

    def _kill(self, instance: Instance) -> None:
        self.own(instance.sandbox.kill())

    def retire(self, instance: Instance, reason: StopReason) -> None:
        if instance.state is State.FROZEN:
            instance.reserved = True
            self._own_move(instance, self._retire_frozen(instance, reason))
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
            self._own_move(instance, self._end(instance))

    async def _end(self, instance: Instance) -> None:
        hook = instance.revision.function.pre_stop
        if hook is not None and instance.init_ms and instance.stop_reason not in NO_PRE_STOP:
            await hooks.pre_stop(instance, hook)
        await instance.recorder.last_look(instance)
        await instance.stop()

    def _exited(self, instance: Instance) -> None:
        instance.exited(StopReason.OOM if instance.out_of_memory else StopReason.CRASHED)
        burial = self._own_move(instance, self._bury(instance))
        self._burials.add(burial)
        burial.add_done_callback(self._burials.discard)

    async def _bury(self, instance: Instance) -> None:
        self._maker.release(instance)
        if self._freezing is not None:
            self._freezing.forget(instance)
        self.gpus.give_back(instance)
        try:
            await instance.aclose()
        finally:
            self._stopping.discard(instance.id)
            pool = self._planner.home(instance)
            pool.forget(instance)
            self._planner.gone(pool)


def _freezable(instance: Instance) -> bool:
    return instance.state is State.IDLE and not instance.reserved and not instance.paused


def _keep_idle_time(instance: Instance, since: float) -> None:
    """A frozen one is reclaimed for having had no request, not for standing still (runtime-contract.md §1.2)."""
    if instance.state is State.FROZEN:
        instance.since = since
