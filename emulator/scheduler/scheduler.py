"""Acts on the plan: gives instances to requests, and says when one is born, frozen or ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from emulator.gpu.pool import GpuPool
from emulator.instance.instance import Instance
from emulator.instance.platform_clock import PlatformClock
from emulator.journal.journal import Journal
from emulator.model.errors import ClientClosedRequest, FclocalError, ResourceExhausted, ResourceThrottled
from emulator.model.function import FunctionName, Revision
from emulator.model.lifecycle import State, StopReason
from emulator.scheduler.clocks import FunctionClocks
from emulator.scheduler.gpus import DISPLACEABLE
from emulator.scheduler.handover import HandOver, Patch
from emulator.scheduler.idling import Idling
from emulator.scheduler.minimums import Minimums
from emulator.scheduler.nursery import Maker, Nursery
from emulator.scheduler.plan import Create, Decision, Freeze, Give, Plan, Refuse, Retire, View, plan
from emulator.scheduler.pool import LINGER_SECONDS, OnTaken, Pool, Waiter, thawed, waiting
from emulator.scheduler.views import Limits, make_gpu_room, rules_of, view_of

SOON_SECONDS = 0.001


class Scheduler:
    """The one owner of instances. Invocations come in by `take`, `ask` and `lease`."""

    def __init__(
        self,
        maker: Maker,
        journal: Journal,
        limits: Limits,
        cards: GpuPool | None = None,
        platform: PlatformClock | None = None,
    ) -> None:
        self._journal = journal
        self._limits = limits
        self._pools: dict[Revision, Pool] = {}
        # By which what waits for a function grows older.
        self.platform = platform or PlatformClock(journal)
        self.clocks = FunctionClocks(self.platform.now)
        self._nursery = Nursery(maker, journal, limits.start_timeout, self, cards or GpuPool())
        self.platform.ages(Idling(self._pools, self._nursery, journal, self._replan))
        self._minimums = Minimums(self.platform, journal, self._replan)
        self._closing = self._closed = False

    def __repr__(self) -> str:
        return f"<Scheduler {len(self._pools)} pools, {sum(len(p.instances) for p in self._pools.values())} instances>"

    # --- for the dispatcher ---

    def take(self, revision: Revision) -> Instance | None:
        """An instance that is awake and has room, at once; None where that needs `lease`. Not for sessions."""
        pool = self._pools.get(revision)
        if pool is None or pool.waiters:
            return None
        return pool.take_hot()

    async def lease(self, revision: Revision, request_id: str, session: str = "", *, opens: bool = False) -> Instance:
        """An instance, awake and taken. Raises `FCError`s and `InitializerFailed`.

        `opens`: the session is this request's alone, and has to be ended by who gets the instance.
        """
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
                returned(found)

        def returned(instance: Instance) -> None:
            if opens:
                instance.sessions.discard(session)
            instance.give_back()

        waiter = self._wait(pool, request_id, session, taken)
        try:
            found = await future
        except asyncio.CancelledError:
            if not future.cancelled() and isinstance(found := future.result(), Instance):
                returned(found)
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

    def end_session(self, instance: Instance, session: str) -> None:
        """The session is over: another may have its place."""
        instance.sessions.discard(session)
        pool = self._pools.get(instance.revision)
        if pool is not None and pool.waiters:
            self._replan(pool)

    def instances(self) -> Sequence[Instance]:
        return [instance for pool in self._pools.values() for instance in pool.instances.values()]

    def waiting(self) -> dict[str, int]:
        """How many requests of each function wait for an instance."""
        return waiting(self._pools.values())

    # --- for the registry: revisions come and go ---

    def deploy(self, revision: Revision) -> None:
        """Know a revision: its provisioned instances are built at once."""
        pool = self._pool(revision)
        self._minimums.follow(pool)
        self._replan(pool)

    def withdraw(self, revision: Revision) -> None:
        """No name points at it any more: idle instances go, busy ones drain."""
        pool = self._pools.get(revision)
        if pool is not None:
            pool.current = False
            self._minimums.leave(pool)
            for instance in pool.instances.values():
                instance.debugger.retire(instance)
            if pool.lingers and not self._closed:
                self._arm(pool, self._journal.now() + LINGER_SECONDS)
            else:
                self._replan(pool)

    async def ended(self, revision: Revision) -> None:
        """As `withdraw`; returns when its last instance is gone."""
        pool = self._pools.get(revision)
        if pool is not None:
            pool.gone = asyncio.get_running_loop().create_future()
            self.withdraw(revision)
            await pool.gone

    def hand_over(self, old: Revision, new: Revision, patch: Patch) -> None:
        """No name points at `old` any more, and its instances may become instances of `new` by `patch`. Those that do
        not go as `withdraw` says; until that is known, requests wait for them."""
        before, after = self._pool(old), self._pool(new)

        def ended() -> None:
            self.withdraw(old)
            self._replan(after)

        over = HandOver(before, after, patch, self._nursery, self._journal, self._limits.over_patience)
        self._nursery.own(over.run(ended))

    def reclaim(self, name: FunctionName | None = None) -> int:
        """End the instances that nobody uses, of one function or of all, as if they had been idle for long. Returns how
        many; provisioned ones are not among them."""
        idle = [it for it in self.instances() if it.state in DISPLACEABLE and not (it.provisioned or it.paused)]
        chosen = [it for it in idle if not it.reserved and name in (None, it.revision.function.name)]
        for instance in chosen:
            instance.condemn(StopReason.IDLE)
        return len(chosen)

    def home(self, instance: Instance) -> Pool:
        return self._pools[instance.revision]

    def end_pauses(self) -> None:
        """The emulator is stopping: nothing waits for a debugger any more, and what runs may finish in its time."""
        self._closing = True
        for instance in self.instances():
            instance.end_pauses()

    async def aclose(self) -> None:
        """Drain: let what runs finish, run PreStop hooks, end everything."""
        self._closed = True
        self._minimums.close()
        self.end_pauses()
        for pool in self._pools.values():
            pool.current = False
            if pool.on_stir is not None:
                pool.on_stir()
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
        self._minimums.close()
        await asyncio.gather(*(instance.sandbox.kill() for instance in self.instances()))
        self._nursery.cancel()
        if self._nursery.tasks:
            await asyncio.wait(self._nursery.tasks)

    # --- planning ---

    def _pool(self, revision: Revision) -> Pool:
        pool = self._pools.get(revision)
        if pool is None:
            pool = self._pools[revision] = Pool(revision, rules_of(revision, self._limits))
        return pool

    def _view(self, pool: Pool) -> View[Instance]:
        make_gpu_room(pool, self._pools.values(), self._nursery)
        return view_of(pool, self._pools.values(), self._limits, self._nursery, self._journal.now())

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
            if pool.gone is not None and not pool.gone.done():
                pool.gone.set_result(None)

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
            case Refuse(waiting, why, scarce):
                waiter = pool.waiters.pop(waiting.key)
                name = pool.revision.function.name
                refused = ResourceThrottled if scarce else ResourceExhausted
                waiter.settle(refused(f"function '{name}' can not be served: {why}"))
            case Freeze(seat):
                self._nursery.freeze(seat)
            case Retire(seat, reason):
                self._nursery.retire(seat, reason)

    # --- what the nursery tells ---

    def changed(self, pool: Pool, instance: Instance) -> None:
        state = instance.state
        if state is State.STOPPING:
            self._nursery.stop(instance)
        if pool.on_stir is not None:
            pool.on_stir()
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
        if instance.gpu is not None and instance.state in DISPLACEABLE:
            self._offer(pool)

    def _offer(self, pool: Pool) -> None:
        """An instance only keeps its part of a card warm now, which others may wait for."""
        for other in list(self._pools.values()):
            if other is not pool and other.waiters and other.revision.function.gpu is not None:
                self._replan(other)

    def paused(self, pool: Pool, instance: Instance) -> None:
        if self._closing and instance.paused:
            instance.end_pauses()
            return
        self.clocks.of(pool.revision.function.name).note(instance.id, stands=instance.clock.stands)
        pool.stand(self._journal.now())
        if pool.on_stir is not None:
            pool.on_stir()
        if instance.room > 0:
            pool.note_room(instance)
        self._replan_with_waiting(pool)

    def born(self, pool: Pool, provisioned: bool, error: FclocalError | None) -> None:
        if error is not None:
            self._tell(pool, provisioned, error)
        self._replan_with_waiting(pool)

    def gone(self, pool: Pool) -> None:
        self._replan_with_waiting(pool)

    def _replan_with_waiting(self, pool: Pool) -> None:
        """All functions share the limits, so what one pool gives up may be what another waits for."""
        for other in list(self._pools.values()):
            waits = other.waiters or (other.rules.provisioned and other.revision.function.gpu is not None)
            if waits or other is pool:
                self._replan(other)

    def _serve_oldest(self, pool: Pool, instance: Instance) -> None:
        """The plan's own rule where it is plain: room that came free goes to whoever waits longest."""
        while pool.waiters and instance.room > 0:
            waiter = next(iter(pool.waiters.values()))
            self._give(pool, waiter, instance)

    # --- acting ---

    def _give(self, pool: Pool, waiter: Waiter, instance: Instance) -> None:
        pool.waiters.pop(waiter.waiting.key, None)
        session = waiter.waiting.session
        new = session not in instance.sessions
        if session:
            instance.sessions.add(session)
        if instance.state is State.FROZEN:
            instance.reserved = True
            self._nursery.own(self._give_thawed(pool, waiter, instance, new=new))
        elif not waiter.settled:
            instance.take()
            waiter.settle(instance)

    async def _give_thawed(self, pool: Pool, waiter: Waiter, instance: Instance, *, new: bool) -> None:
        """`new`: the instance has its session from this request."""
        await thawed(instance)
        if instance.room > 0 and not waiter.settled:
            instance.take()
            waiter.settle(instance)
            return
        if new:
            instance.sessions.discard(waiter.waiting.session)
        if waiter.settled:
            self._replan(pool)
        else:
            pool.waiters[waiter.waiting.key] = waiter
            self._replan(pool)

    async def _thawed(self, pool: Pool) -> Instance | None:
        """Thaw the frozen instance used last and take it: the quick way back after a pause."""
        instance = pool.frozen()
        if instance is None:
            return None
        await thawed(instance)
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
