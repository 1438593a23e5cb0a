"""A real server on a real socket, and a client that says exactly the bytes it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from emulator.gateway.deadlines import Deadlines
from emulator.gateway.server import Server, make_server

# Deadlines of the tests; what must happen "by a deadline" is awaited for far longer than this.
SHORT = Deadlines(header=0.4, body=0.4, write=0.4, keep_alive=30.0)
PATIENCE = 60.0

App = Callable[[Any, Any, Any], Awaitable[None]]


async def read_body(receive: Any) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        body += message["body"]
        if not message["more_body"]:
            return bytes(body)


async def answer(send: Any, body: bytes, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the method, the path and the body it got."""
    try:
        body = await read_body(receive)
    except ConnectionResetError:
        return
    await answer(send, scope["method"].encode() + b" " + scope["raw_path"] + b" " + body)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[bytes, bytes]]:
        raw = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        first, *lines = raw[:-4].split(b"\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        return int(first.split()[1]), headers

    async def answer(self) -> Answer:
        status, headers = await self.head()
        if headers.get(b"transfer-encoding") == b"chunked":
            body = b""
            while size := int(await asyncio.wait_for(self.reader.readline(), PATIENCE), 16):
                body += (await asyncio.wait_for(self.reader.readexactly(size + 2), PATIENCE))[:-2]
            await self.reader.readline()
            return Answer(status, headers, body)
        length = int(headers.get(b"content-length", b"0"))
        return Answer(status, headers, await asyncio.wait_for(self.reader.readexactly(length), PATIENCE))

    async def rest(self) -> bytes:
        """Everything until the server closes; a reset counts as its end."""
        try:
            return await asyncio.wait_for(self.reader.read(-1), PATIENCE)
        except ConnectionError:
            return b""

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


@dataclass
class Running:
    server: Server
    clients: list[Client]

    async def connect(self, host: str = "127.0.0.1", limit: int = 2**20) -> Client:
        client = Client(*await asyncio.open_connection(host, self.server.port, limit=limit))
        self.clients.append(client)
        return client

    async def get(self, path: bytes = b"/") -> Answer:
        """One good request on a connection of its own."""
        client = await self.connect()
        await client.say(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path)
        answered = await client.answer()
        await client.close()
        return answered

    async def connections(self, count: int) -> None:
        """Wait until the server has no more connections than this."""
        async with asyncio.timeout(PATIENCE):
            while self.server.connections > count:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(app: App, deadlines: Deadlines = SHORT, port: int = 0) -> AsyncIterator[Running]:
    server = make_server(app, port=port, deadlines=deadlines)
    await server.start()
    running = Running(server, [])
    try:
        yield running
    finally:
        for client in running.clients:
            await client.close()
        await server.stop(grace=0.5)
        assert server.connections == 0
