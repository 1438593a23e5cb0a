"""When something is due again and again: intervals, cron expressions and single moments (pure). Moments are Unix times.

What FC's engine does beyond its documents is UNCONFIRMED (platform.md §4.3, §12.3). Here a time of day that the clocks
jump over comes when they have jumped, and one that they repeat comes twice; where a day of the month and a day of the
week are both given, either will do, as in cron.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from croniter import croniter

# Moments that are nearer to each other are the same: timers go off a little early or late.
TICK = 1e-3


class Every(Struct, frozen=True):
    """Each so many seconds, counted from when it began."""

    seconds: float

    def after(self, moment: float, began: float) -> float | None:
        """The first moment later than this one."""
        return began + (math.floor((moment + TICK - began) / self.seconds) + 1) * self.seconds


class Cron(Struct, frozen=True):
    """Six fields, seconds first, in a time zone by its IANA name."""

    fields: str
    zone: str = "UTC"

    def after(self, moment: float, began: float = 0.0) -> float | None:
        """The first moment later than this one; None where there is none."""
        return self._found(moment + TICK, later=True)

    def last(self, moment: float) -> float | None:
        """The last moment that is not later than this one; None where there is none."""
        return self._found(moment + TICK, later=False)

    def _found(self, moment: float, *, later: bool) -> float | None:
        from croniter import CroniterBadDateError

        walk = self.walk(moment)
        try:
            return float(walk.get_next(float) if later else walk.get_prev(float))
        except CroniterBadDateError:
            return None

    def walk(self, moment: float) -> croniter:
        """What goes from there to the moments before and after. Raises `croniter.CroniterError` for no cron
        expression, and `KeyError`, `ValueError` or `OSError` for no time zone."""
        from datetime import datetime  # few projects have a schedule
        from zoneinfo import ZoneInfo

        from croniter import croniter

        return croniter(self.fields, datetime.fromtimestamp(moment, ZoneInfo(self.zone)), second_at_beginning=True)


class At(Struct, frozen=True):
    """Once."""

    moment: float

    def after(self, moment: float, began: float = 0.0) -> float | None:
        """It, where it is still to come."""
        return self.moment if self.moment > moment + TICK else None

    def last(self, moment: float) -> float | None:
        """It, where it has come."""
        return self.moment if self.moment <= moment + TICK else None


def show_moment(moment: float) -> str:
    """In UTC to the second, as FC's events have it: `2026-01-01T00:05:00Z`."""
    from datetime import UTC, datetime  # as above

    return datetime.fromtimestamp(moment + TICK, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
