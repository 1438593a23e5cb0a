"""The way to the inspector of one Node.js process: it dials us (runtimes/nodejs/inspect_thread.js), and any number of
sessions share its connection."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import msgspec

from emulator.debug.cdp_urls import Message
from emulator.instance.lines import Lines, LineTooLong

# A heap snapshot comes in pieces, the source of a script in one.
MAX_LINE_BYTES = 256 * 1024 * 1024
# Above what editors count to, and within what V8 takes: 2^31.
FIRST_OWN_ID = 1 << 30

Receive = Callable[[Message], None]


class LinkClosed(Exception):
    """The process, or its inspector, has gone."""


class Link(asyncio.Protocol):
    """`pid`, `script` and `home`, the folder of our files, are as the process sees them; `waits` says that it runs
    nothing before `go`. `on_gone` is called when the connection has ended."""

    def __init__(self, hello: Message, transport: asyncio.Transport) -> None:
        self.pid = hello.get("pid", 0)
        self.script = str(hello.get("script", ""))
        self.home = str(hello.get("home", ""))
        self.version = str(hello.get("version", ""))
        self.waits = bool(hello.get("waits", False))
        self.closed = False
        self.on_gone: Callable[[], None] = nothing
        self._transport = transport
        self._numbers = itertools.count(1)
        self._ids = itertools.count(FIRST_OWN_ID)
        self._receivers: dict[int, Receive] = {}
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._lines = Lines(MAX_LINE_BYTES)

    def __repr__(self) -> str:
        return f"<Link Node.js {self.version} pid {self.pid}{' closed' if self.closed else ''}>"

    def open(self, receive: Receive) -> int:
        """A session: `receive` gets its answers and events. Its first command makes it."""
        number = next(self._numbers)
        self._receivers[number] = receive
        return number

    def close_session(self, number: int) -> None:
        """The process runs on if it stood at a breakpoint of this session, and forgets its breakpoints."""
        if self._receivers.pop(number, None) is not None:
            self._write({"session": number, "close": True})

    def send(self, number: int, command: Message) -> None:
        self._write({"session": number, "message": command})

    async def ask(self, number: int, method: str, **params: Any) -> Message:
        """The answer to a command of our own. Raises `LinkClosed`; what V8 refuses is answered with `error`."""
        if self.closed:
            raise LinkClosed
        own = next(self._ids)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked[own] = answer
        self.send(number, {"id": own, "method": method, "params": params})
        try:
            return await answer
        finally:
            self._asked.pop(own, None)

    def go(self) -> None:
        """Let the program begin."""
        if self.waits:
            self.waits = False
            self._write({"go": True})

    def close(self) -> None:
        self._transport.close()

    def _write(self, message: Message) -> None:
        if not self.closed:
            self._transport.write(msgspec.json.encode(message) + b"\n")

    # --- asyncio's ---

    def data_received(self, data: bytes) -> None:
        try:
            lines = self._lines.feed(data)
        except LineTooLong:
            self._transport.abort()
            return
        for line in lines:
            if not self._take(line):
                self._transport.abort()
                return

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self._receivers.clear()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(LinkClosed())
                answer.exception()  # who asked may have been cancelled
        self.on_gone()

    def _take(self, line: bytes) -> bool:
        """One message; false where it is none. What a process says is not to be trusted."""
        try:
            said = msgspec.json.decode(line)
            number, message = said["session"], said["message"]
        except (msgspec.DecodeError, KeyError, TypeError):
            return False
        if not isinstance(message, dict):
            return False
        answer = self._asked.get(message.get("id", 0)) if isinstance(message.get("id"), int) else None
        if answer is not None:
            if not answer.done():
                answer.set_result(message)
        elif (receive := self._receivers.get(number)) is not None:
            receive(message)
        return True


def nothing() -> None:
    pass
