"""The one port of the inspector: what chrome://inspect lists, and a WebSocket for each who debugs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Protocol

import msgspec
from msgspec import Struct
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from emulator.debug.cdp_door import refusal
from emulator.debug.cdp_urls import Message

LOOPBACK = "127.0.0.1"
# What Node.js says of itself, and what clients look for.
VERSION = {"Browser": "node.js/fclocal", "Protocol-Version": "1.1"}
FRONTEND = "devtools://devtools/bundled/js_app.html?experiments=true&v8only=true&ws="


class Listed(Struct, frozen=True):
    """One line of chrome://inspect. `url` says which code it runs."""

    id: str
    title: str
    url: str


class Conversation(Protocol):
    """What is at the other end of an editor's connection."""

    def take(self, command: Message) -> None: ...

    def close(self) -> None: ...


Write = Callable[[Message], None]


class Host(Protocol):
    """Who is served: what can be debugged, and a conversation with it."""

    def listed(self) -> Iterable[Listed]: ...

    async def converse(self, target_id: str, write: Write, hang_up: Callable[[], None]) -> Conversation | None:
        """With whom `target_id` names; None where there is no such one. `hang_up` ends the connection."""
        ...


class CdpServer:
    """Serves who comes to a socket that listens already."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._server: Server | None = None
        self._port = 0

    async def serve(self, listening: socket.socket) -> None:
        self._port = listening.getsockname()[1]
        self._server = await serve(
            self._talk,
            sock=listening,
            process_request=self._answer,
            max_size=None,
            compression=None,
            # The other end stands in a debugger itself at times, and answers no ping then.
            ping_interval=None,
            server_header=None,
        )

    async def aclose(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    # --- HTTP ---

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """What is no WebSocket, and who may not have one."""
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        why_not = refusal(headers)
        if why_not is not None:
            return connection.respond(HTTPStatus.FORBIDDEN, f"{why_not}\n")
        path = request.path.partition("?")[0].rstrip("/")
        if path == "/json/version":
            return self._json(connection, VERSION)
        if path in ("/json", "/json/list"):
            return self._json(connection, [self._described(it) for it in self._host.listed()])
        return None

    def _json(self, connection: ServerConnection, value: object) -> Response:
        response = connection.respond(HTTPStatus.OK, msgspec.json.encode(value).decode())
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json; charset=UTF-8"
        return response

    def _described(self, target: Listed) -> dict[str, str]:
        address = f"{LOOPBACK}:{self._port}/{target.id}"
        return {
            "description": "fclocal",
            "devtoolsFrontendUrl": f"{FRONTEND}{address}",
            "faviconUrl": "",
            "id": target.id,
            "title": target.title,
            "type": "node",
            "url": target.url,
            "webSocketDebuggerUrl": f"ws://{address}",
        }

    # --- WebSocket ---

    async def _talk(self, connection: ServerConnection) -> None:
        target_id = connection.request.path.strip("/") if connection.request else ""
        outgoing: asyncio.Queue[Message | None] = asyncio.Queue()
        conversation = await self._host.converse(target_id, outgoing.put_nowait, lambda: outgoing.put_nowait(None))
        if conversation is None:
            await connection.close(1008, "there is no such instance")
            return
        writing = asyncio.create_task(_write(connection, outgoing))
        try:
            await _read(connection, conversation)
        finally:
            conversation.close()
            writing.cancel()
            await asyncio.wait([writing])


async def _read(connection: ServerConnection, conversation: Conversation) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for text in connection:
            command = _command(text)
            if command is None:
                return
            conversation.take(command)


async def _write(connection: ServerConnection, outgoing: asyncio.Queue[Message | None]) -> None:
    """In order, and without keeping who writes waiting."""
    with contextlib.suppress(ConnectionClosed):
        while (message := await outgoing.get()) is not None:
            await connection.send(msgspec.json.encode(message), text=True)
        await connection.close()


def _command(text: str | bytes) -> Message | None:
    try:
        command = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return command if isinstance(command, dict) else None
