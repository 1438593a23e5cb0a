"""Prints the journal while an emulator runs, one write a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from emulator.journal.journal import Reader
from emulator.model.events import Event, InvocationEnded, InvocationStarted, TaskMoved
from emulator.model.task import FINAL

FINAL_STATES = frozenset(state.value for state in FINAL)


class Follower:
    """Writes what a reader gets, and knows which invocations run and how asynchronous ones ended.

    `failed` says why the printing ended, if it did, and somebody wanted it.
    """

    def __init__(self, reader: Reader, text: Callable[[Iterable[Event]], str], write: Callable[[str], None]) -> None:
        self._reader = reader
        self._text = text
        self._write: Callable[[str], None] | None = write
        self._running: set[str] = set()
        self._ended: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.failed: OSError | None = None

    @property
    def running(self) -> int:
        """How many invocations run."""
        return len(self._running)

    @property
    def started(self) -> bool:
        return self._task is not None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="print the log")

    def flush(self) -> None:
        """Print what is there, now."""
        self._handle(self._reader.take())

    async def task_end(self, task_id: str) -> str:
        """Wait for an asynchronous invocation's end; returns its last state in FC's word."""
        while task_id not in self._ended:
            self._changed.clear()
            await self._changed.wait()
        return self._ended[task_id]

    async def stop(self) -> int:
        """Print what is left; returns how many events were lost."""
        self._reader.close()
        if self._task is not None:
            await self._task
        self.flush()
        return self._reader.dropped

    async def _run(self) -> None:
        async for batch in self._reader:
            self._handle(batch)

    def _handle(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, InvocationStarted):
                self._running.add(event.request_id)
            elif isinstance(event, InvocationEnded):
                self._running.discard(event.request_id)
            elif isinstance(event, TaskMoved) and event.state in FINAL_STATES:
                self._ended[event.task_id] = event.state
                self._changed.set()
        self._print(self._text(batch))

    def _print(self, text: str) -> None:
        """A closed pipe or a full disk ends the printing, never the emulator."""
        if not text or self._write is None:
            return
        try:
            self._write(text)
        except OSError as error:
            self._write = None
            self.failed = None if isinstance(error, BrokenPipeError) else error
