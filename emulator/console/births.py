"""Cold starts that happened, taken apart: what `journal/waterfall.py` makes of the journal, as far as it is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from emulator.journal.history import History
from emulator.journal.waterfall import ColdStarts
from emulator.model.coldstart import ColdStart
from emulator.model.events import Event

MOST_KEPT = 200
# What is many, and is shown of one cold start only.
_LISTS = ("imports", "reads", "used", "unused")


class Births:
    """Follows a history from its first use on. `now` is the journal's."""

    def __init__(self, history: History, now: Callable[[], float], *, traced: bool) -> None:
        self._fold = ColdStarts(traced=traced)
        self._now = now
        self._kept: dict[str, ColdStart] = {}
        history.follow(self._feed)

    def _feed(self, events: Sequence[Event]) -> None:
        self._keep(self._fold.feed(events))

    def _keep(self, complete: Sequence[ColdStart]) -> None:
        for each in complete:
            self._kept[each.instance_id] = each
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]

    def all(self) -> list[dict[str, Any]]:
        """Each without its imports and files, the newest first."""
        self._keep(self._fold.due(self._now()))
        return [_short(each) for each in reversed(self._kept.values())]

    def one(self, instance_id: str) -> ColdStart | None:
        return self._kept.get(instance_id)


def _short(found: ColdStart) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.structs.asdict(found)
    return {name: value for name, value in shown.items() if name not in _LISTS}
