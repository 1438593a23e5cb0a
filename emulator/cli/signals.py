"""Ctrl-C, SIGTERM and a closed terminal while `start` runs: the first stops it, the second ends everything at once."""

from __future__ import annotations

import asyncio
import signal
from types import TracebackType
from typing import Self

from emulator.cli.ended import exit_code, heard


class StopSignals:
    """Notes signals while it is entered; handlers do nothing else. Must be used on the event loop."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self._number = 0
        self._heard = (signal.SIGINT, *heard())

    def _note(self, number: int) -> None:
        self._number = number
        (self.second if self.first.is_set() else self.first).set()

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in self._heard:
            loop.add_signal_handler(number, self._note, number)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        loop = asyncio.get_running_loop()
        for number in self._heard:
            loop.remove_signal_handler(number)

    @property
    def exit_code(self) -> int:
        """By the last signal."""
        return exit_code(self._number)
