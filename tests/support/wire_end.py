"""Both ends of a connection to an instance: the wire, and a socket that says exactly what it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

from emulator.instance.wire import Wire, WireResponse

POST = b"POST /invoke HTTP/1.1\r\ncontent-length: 4\r\n\r\n"
GET = b"GET / HTTP/1.1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Instance:
    """The other end of a wire: a socket that says exactly what it is told to."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def hear(self, size: int) -> bytes:
        """That many bytes, or fewer where the wire is closed."""
        heard = b""
        while len(heard) < size:
            piece = await asyncio.wait_for(self._loop.sock_recv(self._sock, size - len(heard)), 20)
            if not piece:
                break
            heard += piece
        return heard

    async def say(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._sock, data)

    def close(self) -> None:
        self._sock.close()


@contextlib.asynccontextmanager
async def joined() -> AsyncIterator[tuple[Wire, Instance]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    wire, instance = await Wire.open(ours), Instance(theirs)
    try:
        yield wire, instance
    finally:
        wire.close()
        instance.close()
        await asyncio.sleep(0)


def on_a_wire(talk: Callable[[Wire, Instance], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(30), joined() as (wire, instance):
            await talk(wire, instance)

    asyncio.run(main())


async def whole(response: WireResponse) -> bytes:
    return response.body if response.complete else b"".join([piece async for piece in response.stream()])


async def passed(loops: int = 20) -> None:
    """Let what is under way between the two ends arrive."""
    for _ in range(loops):
        await asyncio.sleep(0.001)
