"""The command at a terminal: a pseudo terminal that is its controlling one, as a shell would give it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from typing import Self

from tests.support.command import Running, Workshop, eventually

# In the child itself: code between fork and exec is not safe where the tests run in several threads.
TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class OnTerminal:
    """Runs the command on a terminal of `columns` cells; `text` is what the terminal was sent."""

    def __init__(self, workshop: Workshop, *args: str, columns: int = 100, **env: str) -> None:
        self._workshop = workshop
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, *workshop.command, *args],
            cwd=workshop.root,
            env=workshop.environ(TERM="xterm", **env),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._data = b""
        self._hung_up = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def text(self) -> str:
        return self._data.decode("utf-8", "replace").replace("\r\n", "\n")

    def until(self, text: str) -> None:
        eventually(lambda: text in self.text, lambda: f"{text!r} on the terminal, which has {self.text!r}")

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def running(self) -> Running:
        """Of `start`: the emulator, once it is ready."""
        found = Running(self._workshop, self.process, self._workshop.root / "none", self._workshop.root / "none")
        found.wait_until_ready()
        return found

    def ended(self) -> int:
        """Wait for the end, and for the last of its output."""
        code = self.process.wait(120)
        self._reader.join()
        return code

    def hang_up(self) -> None:
        """The window is closed: the session's leader gets SIGHUP, and the terminal is gone."""
        self._hung_up.set()
        self._reader.join()
        os.close(self._master)
        self._master = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._master >= 0:
            self._reader.join()
            os.close(self._master)

    def _read(self) -> None:
        """Until the last who has the terminal open is gone (EIO on Linux)."""
        os.set_blocking(self._master, False)
        with contextlib.suppress(OSError):
            while not self._hung_up.is_set():
                try:
                    data = os.read(self._master, 65536)
                except BlockingIOError:
                    self._hung_up.wait(0.02)
                    continue
                if not data:
                    return
                self._data += data
