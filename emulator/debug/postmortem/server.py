"""Serves a post-mortem to one editor: on a port of this machine, or by stdin and stdout."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable

from emulator.debug.dap import Framing, NotDap, frame
from emulator.debug.postmortem.bundle import PostMortem
from emulator.debug.postmortem.session import Session
from emulator.model.errors import UserError

HOST = "127.0.0.1"
PIECE = 64 * 1024


async def serve_on_port(bundle: PostMortem, port: int, ready: Callable[[int], None]) -> None:
    """Until a client that speaks DAP has come and gone; `ready` is told the port. Raises `UserError`."""
    door = _Door(bundle)
    try:
        server = await asyncio.start_server(door.enter, HOST, port)
    except OSError as error:
        raise UserError(f"port {port} can not be used: {error.strerror}", "leave --port out for a free one") from None
    async with server:
        ready(server.sockets[0].getsockname()[1])
        await door.done.wait()
    await door.close()


class _Door:
    """Lets one client in at a time; one that does not speak DAP is cut off and does not count."""

    def __init__(self, bundle: PostMortem) -> None:
        self._bundle = bundle
        self._inside: asyncio.StreamWriter | None = None
        self.done = asyncio.Event()

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            if self._inside is not None:
                return
            self._inside = writer
            try:
                if await converse(self._bundle, reader, writer):
                    self.done.set()
            except (OSError, NotDap):
                pass
            finally:
                self._inside = None

    async def close(self) -> None:
        if self._inside is not None:
            self._inside.transport.abort()


async def serve_on_stdio(bundle: PostMortem) -> None:
    """Until the client closes stdin or disconnects. Raises `NotDap`."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    # Doubles, since a pipe is closed at the end and the command still flushes its own.
    stdin, stdout = (os.fdopen(os.dup(stream.fileno()), "wb", 0) for stream in (sys.stdin, sys.stdout))
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), stdin)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, stdout)
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    try:
        await converse(bundle, reader, writer)
    finally:
        writer.close()


async def converse(bundle: PostMortem, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """One session; false where the client went without a word. Raises `NotDap`, `OSError`."""
    session, framing, spoke = Session(bundle), Framing(), False
    while not session.over and (data := await reader.read(PIECE)):
        for request in framing.feed(data):
            spoke = True
            for message in session.answer(request):
                writer.write(frame(message))
        await writer.drain()
    return spoke
