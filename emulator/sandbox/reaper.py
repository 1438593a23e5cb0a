"""The guard that outlives us: a process that ends what we own if we are killed without a chance to do it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from emulator.sandbox import remains
from emulator.sandbox.spawn import Child, spawn

_PATIENCE_SECONDS = 5.0


class Reaper:
    """Holds the only write end of the reaper's input, see `remains`. Has its own session, so Ctrl-C spares it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, run: str, bases: Iterable[Path], folders: Iterable[Path]
    ) -> None:
        """`bases` are control groups and `folders` folders that belong to this run alone."""
        read_fd, self._pipe = os.pipe2(os.O_CLOEXEC)
        # A sibling that is slow must never hold us up; its pipe takes thousands of these short lines.
        os.set_blocking(self._pipe, False)
        program = [sys.executable, "-I", "-S", remains.__file__, run]
        try:
            self._child: Child = spawn(loop, program, {"PATH": os.defpath}, {0: read_fd})
        finally:
            os.close(read_fd)
        for base in bases:
            self._tell(f"c{base}\n")
        for folder in folders:
            self._tell(f"d{folder}\n")

    def look_after(self, engine: str) -> None:
        """Containers and volumes of this run, in the engine that listens at this address."""
        self._tell(f"e{engine}\n")

    def watch(self, session: int) -> None:
        """Register a process group that must not outlive us."""
        self._tell(f"+{session}\n")

    def forget(self, session: int) -> None:
        self._tell(f"-{session}\n")

    async def aclose(self) -> None:
        """Say farewell: there is nothing left to end."""
        if self._pipe < 0:
            return
        self._tell("bye\n")
        os.close(self._pipe)
        self._pipe = -1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._child.exited), _PATIENCE_SECONDS)

    def _tell(self, line: str) -> None:
        if "\n" in line[:-1]:
            return  # a path that would be another one on the other side: the next start removes it
        with contextlib.suppress(OSError):
            os.write(self._pipe, line.encode())
