"""How many instances of a function are there ahead of requests, and how that changes with the hours (platform.md §6.2).

FC's rule: the largest of the policies that are in effect now, in place of the default. Its own example scales out by
one scheduled action and in by another, which the largest would never do. So of scheduled actions the one is in effect
that came last; where several came at once, the largest. This is the one place where that is decided (UNCONFIRMED).
"""

from __future__ import annotations

from msgspec import Struct

from emulator.model.schedules import TICK, At, Cron


class Minimum(Struct, frozen=True):
    """So many, by this action; empty for the default."""

    target: int
    action: str = ""


class ScheduledAction(Struct, frozen=True):
    """From `start` to `end` (Unix times, None: open), `target` from each time of the schedule on."""

    name: str
    target: int
    schedule: Cron | At
    start: float | None = None
    end: float | None = None

    def last(self, moment: float) -> float | None:
        """When it came last; None where it never did, or is not in effect."""
        if self.end is not None and moment + TICK >= self.end:
            return None
        found = self.schedule.last(moment)
        return None if found is None or (self.start is not None and found < self.start) else found

    def next(self, moment: float) -> float | None:
        """When it changes something next: it comes, or its time ends."""
        if self.end is not None and moment + TICK >= self.end:
            return None
        begin = moment if self.start is None else max(moment, self.start - 2 * TICK)
        comes = self.schedule.after(begin)
        moments = [it for it in (comes, self.end) if it is not None]
        return min(moments, default=None)


class Provision(Struct, frozen=True):
    """`provisionConfig` or `scalingConfig`. `default` holds while no action does."""

    default: int = 0
    actions: tuple[ScheduledAction, ...] = ()

    def __bool__(self) -> bool:
        """Whether there are ever any."""
        return self.default > 0 or bool(self.actions)

    def at(self, moment: float) -> Minimum:
        """How many there are to be then."""
        came = [(last, it) for it in self.actions if (last := it.last(moment)) is not None]
        if not came:
            return Minimum(self.default)
        latest = max(last for last, _ in came)
        action = max((it for last, it in came if last == latest), key=lambda it: it.target)
        return Minimum(action.target, action.name)

    def next(self, moment: float) -> float | None:
        """When that may change; None for never."""
        moments = [found for it in self.actions if (found := it.next(moment)) is not None]
        return min(moments, default=None)
