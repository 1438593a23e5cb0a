"""What an instance writes: one pipe for stdout and stderr, cut into lines."""

from __future__ import annotations

import array
import asyncio
import fcntl
import os
import termios
from pathlib import Path

from emulator.model.limits import LOG_LINE_BYTES
from emulator.sandbox.base import LogSink

_CHUNK_BYTES = 64 * 1024
_PIPE_BYTES = 256 * 1024


class LineSplitter:
    """Cuts a byte stream into lines, each given to `sink` without its newline.

    A line over `limit` bytes keeps its beginning and says how much was cut (FC: runtime-contract.md §8).
    Bytes pass as they are, also where they are not UTF-8.
    """

    def __init__(self, sink: LogSink, limit: int = LOG_LINE_BYTES) -> None:
        self._sink = sink
        self._limit = limit
        self._kept = bytearray()
        self._cut = 0

    def feed(self, chunk: bytes) -> None:
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            if not self._kept and not self._cut and len(line) <= self._limit:
                self._sink(line)
            else:
                self._extend(line)
                self._emit()
        self._extend(rest)

    def flush(self) -> None:
        """Hand over an unfinished last line, if there is one."""
        if self._kept or self._cut:
            self._emit()

    def _extend(self, piece: bytes) -> None:
        room = self._limit - len(self._kept)
        self._kept += piece[:room]
        self._cut += max(0, len(piece) - room)

    def _emit(self) -> None:
        line = bytes(self._kept)
        if self._cut:
            line += b" ... [fclocal: %d bytes of this line were cut]" % self._cut
        self._kept.clear()
        self._cut = 0
        self._sink(line)


class LogPipe:
    """A pipe whose write end the instance gets as stdout and stderr, read by the event loop.

    Our copy of the write end stays open, so that later commands inside can share it. The end of an instance is
    known from its process and never from end-of-file: a forgotten grandchild may hold the pipe for ever.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sink: LogSink, ends: tuple[int, int] | None = None) -> None:
        """With `ends`, of a pipe that was made already; they are closed with it."""
        self._loop = loop
        self._splitter = LineSplitter(sink)
        self._read_fd, self.write_fd = ends or os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read_fd, False)
        self._enlarge()
        self._waiting = array.array("i", [0])
        self._open = True
        loop.add_reader(self._read_fd, self._on_readable)

    def drain_now(self) -> None:
        """Read what is in the pipe at this moment, without waiting and without chasing a busy writer."""
        if not self._open:
            return
        # Asked first: an empty pipe is the rule, and reading it would raise BlockingIOError.
        fcntl.ioctl(self._read_fd, termios.FIONREAD, self._waiting)
        left = self._waiting[0]
        while left > 0:
            left -= self._read(min(left, _CHUNK_BYTES))

    def close(self) -> None:
        """Read to the end of what was written, hand over an unfinished line, and let go of the pipe."""
        if not self._open:
            return
        self.drain_now()
        self._splitter.flush()
        self._open = False
        self._loop.remove_reader(self._read_fd)
        os.close(self._read_fd)
        os.close(self.write_fd)

    def _on_readable(self) -> None:
        self._read(_CHUNK_BYTES)

    def _read(self, size: int) -> int:
        try:
            chunk = os.read(self._read_fd, size)
        except BlockingIOError:
            return size
        self._splitter.feed(chunk)
        return len(chunk)

    def _enlarge(self) -> None:
        # A burst of output should not stop the function; a refusal (pipe-user-pages-soft) only costs speed.
        try:
            fcntl.fcntl(self.write_fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            return


def named_pipe(path: Path) -> tuple[int, int]:
    """Both ends of a new pipe that others open by its path. Raises `OSError`."""
    os.mkfifo(path)
    path.chmod(0o622)
    read_fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return read_fd, os.open(path, os.O_WRONLY | os.O_CLOEXEC)
