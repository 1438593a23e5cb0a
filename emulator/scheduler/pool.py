"""The instances of one revision, the requests that wait for one, and the quick way to one that is idle."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from emulator.instance.deadlines import Deadlines
from emulator.instance.instance import Instance
from emulator.model.errors import FclocalError
from emulator.model.function import Isolation, Revision, SessionPolicy
from emulator.model.lifecycle import State
from emulator.model.limits import SESSION_SLOTS
from emulator.scheduler.plan import Rules, Waiting

# An end takes as much of the processors as a start from a spare does, and is what nobody waits for.
LINGER_SECONDS = 0.1

OnTaken = Callable[[Instance | FclocalError], None]


class Waiter(Struct):
    """A request that waits; `on_taken` gets its instance, taken, or the error."""

    waiting: Waiting
    request_id: str
    on_taken: OnTaken | None

    @property
    def settled(self) -> bool:
        return self.on_taken is None

    def settle(self, found: Instance | FclocalError) -> None:
        """Tell what came of it. Only the first word counts."""
        on_taken, self.on_taken = self.on_taken, None
        if on_taken is not None:
            on_taken(found)


class Pool:
    """State only: the scheduler decides and acts."""

    def __init__(self, revision: Revision, rules: Rules) -> None:
        self.revision = revision
        self.rules = rules
        self.current = True
        self.deadlines = Deadlines(revision.function.timeout)
        self.instances: dict[str, Instance] = {}
        self.waiters: dict[int, Waiter] = {}
        self.births = 0
        # Births whose instance is not among `instances` yet.
        self.unmade = 0
        self.provisioned_births = 0
        # Set when the program holds a port that no second instance can have: see instance/ports.py.
        self.single = False
        # After a provisioned birth failed, until the next deployment: it is not retried in a loop.
        self.give_up_provisioning = False
        # Since when an instance stands in the debugger.
        self.stands_since: float | None = None
        # Instances of the revision before are about to come over: nobody is born meanwhile.
        self.awaits = False
        # Told of what instances of this revision do, while they go over to the next one.
        self.on_stir: Callable[[], None] | None = None
        # Somebody waits until it is withdrawn and its last instance has ended.
        self.gone: asyncio.Future[None] | None = None
        self.planning = False
        self.dirty = False
        # What the last plan said: one more request would only wait (see `Plan.saturated`).
        self.saturated = False
        self.timer: asyncio.TimerHandle | None = None
        self.wake_at = math.inf
        # Awake instances with room, the one used last at the end.
        self._hot: dict[Instance, None] = {}
        self._keys: Iterator[int] = itertools.count()

    def __repr__(self) -> str:
        return f"<Pool {self.revision} {len(self.instances)} instances, {len(self.waiters)} waiting>"

    def disarm(self) -> None:
        """No plan is due any more."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer, self.wake_at = None, math.inf

    def take_hot(self) -> Instance | None:
        """Take an awake instance with room: the one used last, without a plan. For pools without sessions."""
        hot = self._hot
        while hot:
            instance, _ = hot.popitem()
            room = instance.room
            if room > 0:
                if room > 1:
                    hot[instance] = None
                instance.take()
                return instance
        return None

    def note_room(self, instance: Instance) -> None:
        """Remember an instance that has room again."""
        self._hot[instance] = None

    def frozen(self) -> Instance | None:
        """The frozen instance used last."""
        usable = [
            it for it in self.instances.values() if it.state is State.FROZEN and not it.reserved and not it.paused
        ]
        return max((it for it in usable if it.condemned is None), key=lambda it: it.since, default=None)

    def wait(self, now: float, request_id: str, session: str, on_taken: OnTaken) -> Waiter:
        waiting = Waiting(next(self._keys), now, session)
        waiter = Waiter(waiting, request_id, on_taken)
        self.waiters[waiting.key] = waiter
        return waiter

    def stand(self, now: float) -> None:
        """An instance was paused or resumed. Who waits meanwhile does not grow older."""
        stands = any(it.clock.stands for it in self.instances.values())
        since = self.stands_since
        if not stands and since is not None:
            for waiter in self.waiters.values():
                waiting = waiter.waiting
                waiter.waiting = replace(waiting, since=waiting.since + now - max(waiting.since, since))
        if not stands or since is None:
            self.stands_since = now if stands else None

    def oldest_waiters(self, count: int) -> list[Waiter]:
        return list(itertools.islice(self.waiters.values(), count))

    @property
    def size(self) -> int:
        """What counts against the limits: those that are coming, not those that are going (runtime-contract.md §1.2:
        a new instance takes the place of one that is being stopped)."""
        staying = (it for it in self.instances.values() if not it.ended)
        return self.unmade + sum(self.current or it.in_flight > 0 or it.paused for it in staying)

    @property
    def lingers(self) -> bool:
        """Whether its instances, which no name points at any more, may be there for a moment beside those that come in
        their place: nobody waits for them or for their end, and they hold no port and no card."""
        function = self.revision.function
        holds = function.is_custom or function.gpu is not None
        return not (holds or self.waiters or self.gone is not None)

    @property
    def empty(self) -> bool:
        return not self.instances and not self.waiters and not self.births

    def forget(self, instance: Instance) -> None:
        self.instances.pop(instance.id, None)
        self._hot.pop(instance, None)


async def thawed(instance: Instance) -> None:
    """Thaw it, and nobody else is given it meanwhile."""
    instance.reserved = True
    try:
        await instance.thaw()
    finally:
        instance.reserved = False


def capacity_of(revision: Revision) -> int:
    """How many requests an instance carries at once (runtime-contract.md §1.5, §1.6)."""
    function = revision.function
    if function.isolation is Isolation.REQUEST_EXCLUSIVE:
        return 1
    if function.session is not None and function.is_custom:
        return SESSION_SLOTS
    return function.instance_concurrency


def sessions_per_seat(policy: SessionPolicy | None, isolation: Isolation, is_custom: bool) -> int:
    """How many sessions share an instance; 0 without affinity. Built-in runtimes have one (§1.6)."""
    if policy is None or isolation is Isolation.REQUEST_EXCLUSIVE:
        return 0
    if isolation is Isolation.SESSION_EXCLUSIVE or not is_custom:
        return 1
    return policy.sessions_per_instance


def waiting(pools: Iterable[Pool]) -> dict[str, int]:
    """How many requests of each function wait for an instance."""
    counts: dict[str, int] = {}
    for pool in pools:
        name = str(pool.revision.function.name)
        counts[name] = counts.get(name, 0) + len(pool.waiters)
    return counts
