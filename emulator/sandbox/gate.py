"""The handshake with bubblewrap: it names its inner process, waits, and goes on when the gate is opened."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re

from emulator.sandbox.rung import GATE_FD, INFO_FD, INFO_READ_FD, REPORT_FD

_REPORT = re.compile(rb'"child-pid":\s*(\d+)\D')


class Gate:
    """The pipes of the handshake. With `joins` the report comes from the shell that joined the control groups."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, joins: bool) -> None:
        self._loop = loop
        self._report, report_end = os.pipe2(os.O_CLOEXEC)
        gate_end, self._gate = os.pipe2(os.O_CLOEXEC)
        self.child_fds = {GATE_FD: gate_end, INFO_FD: report_end}
        if joins:
            info_end, info = os.pipe2(os.O_CLOEXEC)
            self.child_fds |= {INFO_FD: info, INFO_READ_FD: info_end, REPORT_FD: report_end}
        self._text = b""
        self._inner: asyncio.Future[int | None] = loop.create_future()
        os.set_blocking(self._report, False)
        loop.add_reader(self._report, self._read)

    def close_child_ends(self) -> None:
        for fd in self.child_fds.values():
            os.close(fd)
        self.child_fds = {}

    async def inner(self) -> int | None:
        """The first process inside, as the host numbers it; None when the walls could not be built."""
        return await self._inner

    def open(self) -> None:
        """Let the program start. Raises `BrokenPipeError` where nobody waits any more."""
        if self._gate < 0:
            raise BrokenPipeError
        os.write(self._gate, b"1")

    def close(self) -> None:
        self.close_child_ends()
        self._stop_reading()
        if self._gate >= 0:
            os.close(self._gate)
            self._gate = -1
        if not self._inner.done():  # whoever waits learns that nobody will come
            self._inner.set_result(None)

    def _read(self) -> None:
        """To the end of the report: bubblewrap writes it in pieces, and would die of SIGPIPE if we left early."""
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(self._report, 4096)
            self._text += chunk
            if not chunk or b"}" in self._text:
                self._stop_reading()
                found = _REPORT.search(self._text)
                if not self._inner.done():
                    self._inner.set_result(int(found[1]) if found else None)

    def _stop_reading(self) -> None:
        if self._report >= 0:
            self._loop.remove_reader(self._report)
            os.close(self._report)
            self._report = -1
