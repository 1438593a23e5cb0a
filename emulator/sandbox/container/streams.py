"""What a container writes, as the engine hands it on: frames of stdout and stderr on one connection.

docs.docker.com, Engine API, "Attach to a container": 8 bytes (stream, 0, 0, 0, length in big endian), then the bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

from emulator.sandbox.base import LogSink
from emulator.sandbox.logs import LineSplitter

_CHUNK_BYTES = 64 * 1024
_HEAD_BYTES = 8
_STDOUT, _STDERR = 1, 2


class Frames:
    """Takes frames in pieces of any size, and hands on lines. A line of one stream is not cut by the other."""

    def __init__(self, sink: LogSink) -> None:
        self._lines = {stream: LineSplitter(sink) for stream in (_STDOUT, _STDERR)}
        self._head = bytearray()
        self._current = self._lines[_STDOUT]
        self._left = 0

    def feed(self, chunk: bytes) -> None:
        at = 0
        while at < len(chunk):
            if self._left:
                piece = chunk[at : at + self._left]
                self._current.feed(piece)
                self._left -= len(piece)
                at += len(piece)
                continue
            wanted = _HEAD_BYTES - len(self._head)
            self._head += chunk[at : at + wanted]
            at += wanted
            if len(self._head) == _HEAD_BYTES:
                self._current = self._lines.get(self._head[0], self._lines[_STDOUT])
                self._left = int.from_bytes(self._head[4:], "big")
                self._head.clear()

    def flush(self) -> None:
        """Hand over unfinished last lines."""
        for lines in self._lines.values():
            lines.flush()


class AttachedLog:
    """Reads an attached connection on the event loop. `ended` is done when all has been read to its end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sink: LogSink, connection: socket.socket, early: bytes) -> None:
        self._loop = loop
        self._frames = Frames(sink)
        self._connection = connection
        self.ended: asyncio.Future[None] = loop.create_future()
        self._frames.feed(early)
        loop.add_reader(connection.fileno(), self._read)

    def drain_now(self) -> None:
        """Read what has come by now, without waiting."""
        while not self.ended.done() and self._read() == _CHUNK_BYTES:
            pass

    def close(self) -> None:
        """Hand over what has come. May be called twice."""
        if self.ended.done():
            return
        self._loop.remove_reader(self._connection.fileno())
        self._connection.close()
        self._frames.flush()
        self.ended.set_result(None)

    def _read(self) -> int:
        try:
            chunk = self._connection.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return 0
        except OSError:
            chunk = b""
        if chunk:
            self._frames.feed(chunk)
        else:
            with contextlib.suppress(OSError):
                self.close()
        return len(chunk)
