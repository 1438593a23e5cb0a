"""The control channel: instances dial the emulator, say who they are, and then do what they are asked.

One unix socket serves all instances of a run, and a port of 127.0.0.1 those that can be shown no socket. A token tells
them apart: an instance that nobody asks for anything costs
a connection and no file, task or thread. Its lines are JSON (docs/bootstrap-protocol.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

from emulator.instance.lines import Lines, LineTooLong
from emulator.model.errors import FclocalError

# What an instance says is not to be trusted: neither how long it is, nor that it comes at all.
MAX_HELLO_BYTES = 4096
MAX_LINE_BYTES = 64 * 1024 * 1024
HELLO_SECONDS = 10.0
MAX_LAST_WORDS = 400
BACKLOG = 1024

Heard = Callable[["Callee", "Control", dict[str, Any]], None]
# A connection whose hello says that it carries something else than commands; what came after the hello is the last.
Carries = Callable[["Callee", dict[str, Any], asyncio.Transport, bytes], None]


class ControlError(FclocalError):
    """An instance could not do what it was asked: its own words, or that it is gone or does not answer."""


class Callee(Protocol):
    """Who is reached through control channels: an instance, each of whose processes may have one."""

    controls: list[Control]


class Control(asyncio.Protocol):
    """The channel of one process of an instance; `pid` is as the process itself sees it."""

    def __init__(self, callee: Callee, transport: asyncio.Transport, hello: dict[str, Any], heard: Heard) -> None:
        self.pid = hello.get("pid", 0)
        self.language = str(hello.get("lang", ""))
        # Such as "3.12.1".
        self.version = str(hello.get("version", ""))
        # Such as "x86_64-linux-musl".
        self.arch = str(hello.get("arch", ""))
        self._callee = callee
        self._transport = transport
        self._heard = heard
        self._lines = Lines(MAX_LINE_BYTES)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self.closed = False
        # What is no JSON: the interpreter's fault handler writes here while the process dies.
        self.last_words: list[str] = []
        self._closing: list[asyncio.Future[None]] = []
        callee.controls.append(self)

    def __repr__(self) -> str:
        return f"<Control {self.language} {self.version} pid {self.pid}{' closed' if self.closed else ''}>"

    async def ask(self, command: str, timeout: float, **args: Any) -> dict[str, Any]:
        """What the instance answers to `command` within `timeout` seconds. Raises `ControlError`.

        A frozen instance answers when it is thawed.
        """
        if self.closed:
            raise ControlError("the instance has ended")
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self._transport.write(json.dumps({"id": number, "do": command, **args}).encode() + b"\n")
        try:
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError:
            raise ControlError(f"no answer to {command!r} in {timeout:g} seconds") from None
        finally:
            self._asked.pop(number, None)

    def tell(self, command: str, **args: Any) -> None:
        """`ask`, where nobody waits for the answer."""
        if not self.closed:
            self._transport.write(json.dumps({"id": 0, "do": command, **args}).encode() + b"\n")

    def data_received(self, data: bytes) -> None:
        try:
            lines = self._lines.feed(data)
        except LineTooLong:
            self._transport.abort()
            return
        for line in lines:
            self._take(line)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self in self._callee.controls:
            self._callee.controls.remove(self)
        if self.last_words:
            self._heard(self._callee, self, {"event": "last_words", "lines": self.last_words})
        for waiter in self._closing:
            if not waiter.done():
                waiter.set_result(None)
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(ControlError("the instance has ended"))
                answer.exception()  # who asked may have been cancelled

    async def ended(self) -> None:
        """Returns when the process has closed it, which the end of the process does."""
        if not self.closed:
            waiter = asyncio.get_running_loop().create_future()
            self._closing.append(waiter)
            await waiter

    def _take(self, line: bytes) -> None:
        """One answer or event."""
        said = parsed(line)
        if said is None:
            if len(self.last_words) < MAX_LAST_WORDS:
                self.last_words.append(line[:1000].decode("utf-8", "replace"))
            return
        if "event" in said:
            self._heard(self._callee, self, said)
            return
        answer = self._asked.get(said.get("id", 0)) if isinstance(said.get("id"), int) else None
        if answer is None or answer.done():
            return  # an answer that came too late
        if isinstance(said.get("ok"), dict):
            answer.set_result(said["ok"])
        else:
            answer.set_exception(ControlError(str(said.get("error", "no reason was given"))))


class Switchboard:
    """Listens for instances. A callee is known by the token that it was told at its start."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self._port: asyncio.Task[int] | None = None
        self._carriers: dict[str, Carries] = {}
        self._callees: dict[str, Callee] = {}
        self._listeners: dict[str, list[Heard]] = {}
        self._servers: list[asyncio.Server] = []
        self._callers: set[asyncio.BaseTransport] = set()

    async def open(self, folder: Path) -> None:
        """Listen in `folder`, whose path must be short. Raises `OSError`."""
        path = folder / "debug.sock"
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            listening.bind(str(path))
            # The program of an image is whoever its USER says; the folder lets no other user of the host in.
            path.chmod(0o666)
            loop = asyncio.get_running_loop()
            server = await loop.create_unix_server(lambda: _Caller(self), sock=listening, backlog=BACKLOG)
        except BaseException:
            listening.close()
            raise
        self._servers.append(server)
        self.path = path

    async def port(self) -> int:
        """The port of 127.0.0.1 on which it listens, from the first question on: a virtual machine hands on to there
        what is sent to its host. Raises `OSError`."""
        if self._port is None:
            self._port = asyncio.ensure_future(self._open_port())
        return await asyncio.shield(self._port)

    async def _open_port(self) -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Caller(self), "127.0.0.1", 0, backlog=BACKLOG)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def admit(self) -> str:
        """A new token, for the environment of an instance that is yet to be made."""
        return secrets.token_hex(16)

    def introduce(self, token: str, callee: Callee) -> None:
        """From now on `callee` is who says `token`."""
        self._callees[token] = callee

    def dismiss(self, token: str) -> None:
        self._callees.pop(token, None)

    def known(self, token: str) -> Callee | None:
        return self._callees.get(token)

    def listen(self, event: str, heard: Heard) -> None:
        """Call `heard` with each such event of every instance; `hello` is the first that each channel says."""
        self._listeners.setdefault(event, []).append(heard)

    def heard(self, callee: Callee, control: Control, said: dict[str, Any]) -> None:
        for listener in self._listeners.get(str(said["event"]), ()):
            listener(callee, control, said)

    def carry(self, what: str, taken: Carries) -> None:
        """Hand over connections whose hello says `"carries": what`; whoever takes one sets another protocol."""
        self._carriers[what] = taken

    async def aclose(self) -> None:
        for server in self._servers:
            server.close()
        for caller in list(self._callers):
            caller.close()
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()

    # --- for _Caller ---

    def carrier(self, hello: dict[str, Any]) -> Carries | None:
        return self._carriers.get(str(hello.get("carries", "")))

    def came(self, transport: asyncio.BaseTransport) -> None:
        self._callers.add(transport)

    def went(self, transport: asyncio.BaseTransport) -> None:
        self._callers.discard(transport)


class _Caller(asyncio.Protocol):
    """A connection until it has said hello."""

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._transport: asyncio.Transport
        self._said = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._board.came(transport)
        self._timer = asyncio.get_running_loop().call_later(HELLO_SECONDS, self._transport.abort)

    def connection_lost(self, error: Exception | None) -> None:
        self._done()

    def _done(self) -> None:
        self._board.went(self._transport)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def data_received(self, data: bytes) -> None:
        self._said += data
        # What comes right behind it, such as the report of a start that failed, may be of any length.
        hello, newline, rest = self._said.partition(b"\n")
        if not hello.startswith(b"{") or len(hello) > MAX_HELLO_BYTES:
            self._transport.abort()
        elif newline:
            self._hello(hello, rest)

    def _hello(self, line: bytes, rest: bytes) -> None:
        hello = parsed(line)
        callee = self._board.known(str(hello.get("hello", ""))) if hello is not None else None
        if hello is None or callee is None:
            self._transport.abort()
            return
        self._done()
        if "carries" in hello:
            self._hand_over(callee, hello, rest)
            return
        control = Control(callee, self._transport, hello, self._board.heard)
        self._transport.set_protocol(control)
        self._board.heard(callee, control, {**hello, "event": "hello"})
        if rest:
            control.data_received(rest)

    def _hand_over(self, callee: Callee, hello: dict[str, Any], rest: bytes) -> None:
        taken = self._board.carrier(hello)
        if taken is None:
            self._transport.abort()
        else:
            taken(callee, hello, self._transport, rest)


def parsed(line: bytes) -> dict[str, Any] | None:
    """A JSON object; None for anything else."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
