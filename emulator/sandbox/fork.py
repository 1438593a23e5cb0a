"""One process that a template forks for us: what is said on its channel (docs/zygote.md), and how it ended."""

from __future__ import annotations

import array
import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Mapping
from typing import Any

from emulator.model.errors import SandboxError
from emulator.sandbox.spawn import Handle, memory_file

_MESSAGE_BYTES = 8192
_INTRODUCED, _BUILT, _FAILED, _ENDED = b"p", b"k", b"!", b"x"
_FDS = 2


class Fork:
    """The main process of an instance, a child of its template. Nothing that comes from there is to be trusted."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._channel, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setblocking(False)
        self._open = True
        self._main: Handle | None = None
        self.first: Handle | None = None
        self.exited: asyncio.Future[int] = loop.create_future()
        self._introduced: asyncio.Future[None] = loop.create_future()
        self._built: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._channel, self._read)

    @property
    def theirs(self) -> int:
        """The end of the channel that the template is to be given."""
        return self._theirs.fileno()

    @property
    def pid(self) -> int:
        """0 before it is introduced."""
        return self._main.pid if self._main is not None else 0

    def given(self) -> None:
        """The template has its end."""
        self._theirs.close()

    async def introduced(self) -> None:
        """Returns when the processes are known: the main one, and `first` where it has namespaces of its own."""
        await self._introduced

    def order(self, order: Mapping[str, Any]) -> None:
        """Tell what to do next. By a descriptor, since an environment may be long. Raises `OSError`."""
        text = json.dumps(order, ensure_ascii=False).encode("utf-8", "surrogateescape")
        content = memory_file("fclocal", text)
        try:
            self._channel.sendmsg([b"o"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [content]))])
        finally:
            os.close(content)

    async def built(self) -> None:
        """Returns when all was done, and the program goes on. Raises `SandboxError`."""
        await self._built

    def send(self, number: int) -> None:
        if self.exited.done():
            return
        if self._main is not None:
            self._main.send(number)
        elif number == signal.SIGKILL:  # nobody to send it to yet: without us it ends by itself
            self._end(number)

    def kill_group(self) -> None:
        if self._main is not None and not self.exited.done():
            with contextlib.suppress(OSError):
                os.killpg(self._main.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let go of it. May be called twice."""
        self._hang_up()
        for handle in (self._main, self.first):
            if handle is not None:
                handle.close()

    # --- what comes ---

    def _read(self) -> None:
        try:
            data, extras, _, _ = self._channel.recvmsg(
                _MESSAGE_BYTES, socket.CMSG_SPACE(4 * _FDS), socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return
        except OSError:
            data, extras = b"", []
        fds = _descriptors(extras)
        kind, rest = data[:1], data[1:]
        if kind == _INTRODUCED and fds and self._main is None:
            self._introduce(fds)
            return
        for fd in fds:
            os.close(fd)
        if kind == _BUILT:
            _settle(self._built)
        elif kind == _FAILED:
            self._fail(rest.decode("utf-8", "replace"))
        elif kind == _ENDED and rest.isdigit():
            self._end(int(rest))
        elif not data:  # the template is gone, and takes with it what it forked
            self._end(signal.SIGKILL)

    def _introduce(self, fds: list[int]) -> None:
        handles = []
        try:
            for fd in fds:
                handles.append(Handle.of(fd))
        except OSError:
            for fd in fds:
                os.close(fd)
            return  # it has ended already, which is told next
        self._main, self.first = handles[0], (handles[1] if len(handles) > 1 else None)
        _settle(self._introduced)

    def _fail(self, reason: str) -> None:
        error = SandboxError(reason or "the fork failed")
        for future in (self._introduced, self._built):
            if not future.done():
                future.set_exception(error)
                future.exception()  # it may be waited for by nobody

    def _end(self, status: int) -> None:
        self._hang_up()
        self._fail("it ended while its walls were built")
        _settle(self.exited, status)

    def _hang_up(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._channel)
            self._channel.close()
            self._theirs.close()


def _settle(future: asyncio.Future[Any], value: Any = None) -> None:
    if not future.done():
        future.set_result(value)


def _descriptors(extras: list[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for level, kind, data in extras:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)
