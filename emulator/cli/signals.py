"""Ctrl-C, SIGTERM and a closed terminal: the first asks for a stop, the second for an end at once."""

from __future__ import annotations

import asyncio
import signal
from types import TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Notes signals while it is entered; handlers do nothing else. Must be used on the event loop."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self._number = 0

    def _note(self, number: int) -> None:
        self._number = number
        (self.second if self.first.is_set() else self.first).set()

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._note, number)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    @property
    def exit_code(self) -> int:
        """128 + the last signal's number, as a shell counts a process that was ended."""
        return 128 + self._number
