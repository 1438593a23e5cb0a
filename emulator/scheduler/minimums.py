"""The minimum instances of each revision as the hours change them: by the platform's clock (platform.md §6.2)."""

from __future__ import annotations

import functools
from collections.abc import Callable

from msgspec.structs import replace

from emulator.instance.platform_clock import PlatformClock, PlatformTimer
from emulator.journal.journal import Journal
from emulator.model.lifecycle import StopReason
from emulator.model.platform_events import MinimumChanged
from emulator.model.provision import Minimum
from emulator.scheduler.pool import Pool


class Minimums:
    """Of pools that are followed, until they are left. Instances are made and let go by the plan, as of any minimum."""

    def __init__(self, platform: PlatformClock, journal: Journal, replan: Callable[[Pool], None]) -> None:
        self._platform = platform
        self._journal = journal
        self._replan = replan
        # Pools with a schedule, and what comes next of it.
        self._next: dict[Pool, PlatformTimer | None] = {}
        # What was told last of each function.
        self._told: dict[str, Minimum] = {}

    def follow(self, pool: Pool) -> None:
        """From now on it has as many as its schedule says, if it has one."""
        function = pool.revision.function
        if not function.provisioned.actions:
            self._told.pop(str(function.name), None)
        elif pool not in self._next:
            self._look(pool, self._platform.time())

    def leave(self, pool: Pool) -> None:
        timer = self._next.pop(pool, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        for pool in [*self._next]:
            self.leave(pool)

    def _look(self, pool: Pool, due: float) -> None:
        """At what holds from `due` on, which is now."""
        moment, function = max(due, self._platform.time()), pool.revision.function
        following = function.provisioned.next(moment)
        look = functools.partial(self._look, pool, following or 0.0)
        self._next[pool] = None if following is None else self._platform.call_at(following, look)
        now, name = function.provisioned.at(moment), str(function.name)
        if now != self._told.get(name, Minimum(function.provisioned.default)):
            self._journal.append(MinimumChanged(self._journal.now(), name, now.target, now.action))
        self._told[name] = now
        if now.target != pool.rules.provisioned:
            pool.rules = replace(pool.rules, provisioned=now.target)
            self._replan(pool)
            _let_go(pool)


def _let_go(pool: Pool) -> None:
    """Of those that are too many the plan has ended the idle ones; the others take no more, and end when they are
    done."""
    kept = [it for it in pool.instances.values() if it.provisioned and it.condemned is None and not it.ended]
    surplus = max(0, len(kept) - pool.rules.provisioned)
    for instance in sorted(kept, key=lambda it: it.in_flight)[:surplus]:
        instance.condemn(StopReason.SCALED_IN)
