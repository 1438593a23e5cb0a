"""The instances of one revision, the requests that wait for one, and the quick way to one that is idle."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from emulator.instance.deadlines import Deadlines
from emulator.instance.instance import Instance
from emulator.model.function import Isolation, Revision, SessionPolicy
from emulator.model.lifecycle import State
from emulator.model.limits import SESSION_SLOTS
from emulator.scheduler.plan import Rules, Waiting


@dataclass(slots=True)
class Waiter:
    """A request that waits; `future` gets its instance, taken, or the error."""

    waiting: Waiting
    request_id: str
    future: asyncio.Future[Instance]


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
        self.provisioned_births = 0
        # Set when the program holds a port that no second instance can have: see instance/ports.py.
        self.single = False
        # After a provisioned birth failed, until the next deployment: it is not retried in a loop.
        self.give_up_provisioning = False
        self.planning = False
        self.dirty = False
        self.timer: asyncio.TimerHandle | None = None
        self.wake_at = math.inf
        self._hot: list[Instance] = []
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
            instance = hot[-1]
            room = instance.room
            if room <= 1:
                hot.pop()
            if room > 0:
                instance.take()
                return instance
        return None

    def note_room(self, instance: Instance) -> None:
        """Remember an instance that has room again."""
        if instance.room > 0 and (not self._hot or self._hot[-1] is not instance) and instance not in self._hot:
            self._hot.append(instance)

    def frozen(self) -> Instance | None:
        """The frozen instance used last."""
        usable = [it for it in self.instances.values() if it.state is State.FROZEN and not it.reserved]
        return max((it for it in usable if it.condemned is None), key=lambda it: it.since, default=None)

    def wait(self, now: float, request_id: str, session: str) -> Waiter:
        waiting = Waiting(next(self._keys), now, session)
        waiter = Waiter(waiting, request_id, asyncio.get_running_loop().create_future())
        self.waiters[waiting.key] = waiter
        return waiter

    def oldest_waiters(self, count: int) -> list[Waiter]:
        return list(itertools.islice(self.waiters.values(), count))

    @property
    def empty(self) -> bool:
        return not self.instances and not self.waiters and not self.births

    def forget(self, instance: Instance) -> None:
        self.instances.pop(instance.id, None)
        if instance in self._hot:
            self._hot.remove(instance)


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
