"""The first process of a container, as the host sees it: its end needs no word of the engine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal


class Watched:
    """`exited` is done when the process has ended, and with it every other one of its container."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pid: int) -> None:
        self.pid = pid
        self.exited: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._pidfd = -1
        with contextlib.suppress(ProcessLookupError):
            # 0 is what the engine says of a container that has ended.
            self._pidfd = os.pidfd_open(pid) if pid > 0 else -1
        if self._pidfd < 0:
            self.exited.set_result(None)
        else:
            loop.add_reader(self._pidfd, self._on_end)

    def send(self, number: int) -> bool:
        """False where this process is not ours to signal."""
        if self._pidfd < 0:
            return True
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return True

    def close(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _on_end(self) -> None:
        self.close()
        if not self.exited.done():
            self.exited.set_result(None)
