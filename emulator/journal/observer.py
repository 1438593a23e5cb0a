"""The one reader behind metrics, cost and the console: from the first event on, in batches, off the hot path."""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.journal.journal import Journal
from emulator.model.events import Event

if TYPE_CHECKING:
    from emulator.journal.counters import Counters
    from emulator.journal.history import History

# Batches this far apart cost an invocation little, and none of them holds the loop up for long.
LINGER_SECONDS = 0.05
# What may come while the counters are loaded, and while a busy loop leaves a batch waiting
CAPACITY = 200_000


class Observer:
    """Subscribes at once, and begins to count with `start`, or when somebody first asks. `keeps`: there is a history,
    too."""

    def __init__(self, journal: Journal, price_list: Path | None, *, keeps: bool = False) -> None:
        self._began = journal.now()
        self._price_list = price_list
        self._reader = journal.subscribe(CAPACITY, LINGER_SECONDS)
        self._keeps = keeps
        self._counters: Counters | None = None
        self._history: History | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def dropped(self) -> int:
        """How many events came faster than they were counted, and are missing."""
        return self._reader.dropped

    def counters(self) -> Counters:
        """With all that has happened until now. Raises `ConfigError` where the price list is none."""
        if self._counters is None:
            from emulator.journal.counters import Counters  # an emulator is there before it is counted

            self._counters = Counters(self._began, self._price_list)
            if self._keeps:
                from emulator.journal.history import History  # as above

                self._history = History()
        self._take(self._reader.take())
        return self._counters

    def history(self) -> History:
        """With all that has happened until now; for who said that it `keeps` one."""
        self.counters()
        assert self._history is not None  # noqa: S101 - see above
        return self._history

    def _take(self, events: list[Event]) -> None:
        if self._counters is not None:
            self._counters.feed(events)
        if self._history is not None:
            self._history.feed(events)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="count what happens")

    async def _run(self) -> None:
        await asyncio.to_thread(import_module, "emulator.journal.counters")
        self.counters()
        async for events in self._reader:
            self._take(events)

    async def aclose(self) -> None:
        self._reader.close()
        if self._task is not None:
            await self._task
