"""Upgrades reach the application, which joins the client with a real peer behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets
from gateway_serving import PATIENCE, echo, serving

from emulator.gateway.tunnel import UPGRADE, splice

UPGRADE_HEAD = b"GET /chat HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n"


@asynccontextmanager
async def echo_peer() -> AsyncIterator[int]:
    """A server that gives back what it gets, and closes when it heard the end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class Tunnelling:
    """An application that joins every upgrade with `port`, and notes how each tunnel ended."""

    def __init__(self, port: int, head: bytes = SWITCHING) -> None:
        self.port = port
        self.head = head
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self.tasks: list[asyncio.Task[Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        tunnel = scope.get("extensions", {}).get(UPGRADE)
        if tunnel is None:
            return await echo(scope, receive, send)
        task = asyncio.current_task()
        assert task is not None
        self.tasks.append(task)
        server, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, "127.0.0.1", self.port)
        server.pause_reading()
        client, early = tunnel.take(self.head)
        try:
            await splice(client, server, to_server=early)
        except asyncio.CancelledError:
            self.ended.put_nowait("cancelled")
            raise
        self.ended.put_nowait("ended")
        return None


def test_a_tunnel_carries_early_and_late_bytes(run: Any) -> None:
    async def main() -> None:
        async with echo_peer() as port, serving(app := Tunnelling(port)) as running:
            client = await running.connect()
            await client.say(UPGRADE_HEAD + b"early ")
            assert (await client.head())[0] == 101
            await client.say(b"late")
            assert await asyncio.wait_for(client.reader.readexactly(10), PATIENCE) == b"early late"
            assert running.server.connections == 1
            client.writer.write_eof()
            assert await client.rest() == b""
            assert await asyncio.wait_for(app.ended.get(), PATIENCE) == "ended"

    run(main())


def test_a_tunnel_outlives_every_deadline_of_http(run: Any) -> None:
    async def main() -> None:
        async with echo_peer() as port, serving(Tunnelling(port)) as running:
            client, slow = await running.connect(), await running.connect()
            await client.say(UPGRADE_HEAD)
            await client.head()
            await slow.say(b"GET")
            await slow.rest()
            await client.say(b"still here")
            assert await asyncio.wait_for(client.reader.readexactly(10), PATIENCE) == b"still here"

    run(main())


def test_a_tunnel_holds_back_a_writer_whose_reader_is_slow(run: Any) -> None:
    async def main() -> None:
        async with echo_peer() as port, serving(Tunnelling(port)) as running:
            client = await running.connect(limit=4096)
            await client.say(UPGRADE_HEAD)
            await client.head()
            # More than the kernel holds for the four sockets on the way.
            size = 120_000_000
            # Nothing is read while this is sent: buffers fill, and the client is not read any more.
            sending = asyncio.create_task(client.say(b"z" * size))
            done, _ = await asyncio.wait([sending], timeout=0.3)
            assert not done
            got = 0
            while got < size:
                got += len(await asyncio.wait_for(client.reader.read(1_000_000), PATIENCE))
            await sending

    run(main())


def test_the_peer_ends_the_tunnel(run: Any) -> None:
    async def bye(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * 1_000_000 + b"bye")
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(bye, "127.0.0.1", 0)
        async with serving(app := Tunnelling(server.sockets[0].getsockname()[1])) as running:
            client = await running.connect()
            await client.say(UPGRADE_HEAD)
            await client.head()
            rest = await client.rest()
            assert (len(rest), rest[-3:]) == (1_000_003, b"bye")
            await client.close()
            assert await asyncio.wait_for(app.ended.get(), PATIENCE) == "ended"
            await running.connections(0)
        server.close()

    run(main())


def test_cancelling_cuts_both_sides(run: Any) -> None:
    async def main() -> None:
        async with echo_peer() as port, serving(app := Tunnelling(port)) as running:
            client = await running.connect()
            await client.say(UPGRADE_HEAD + b"x")
            await client.head()
            await client.reader.readexactly(1)
            app.tasks[0].cancel()
            assert await client.rest() == b""
            assert await app.ended.get() == "cancelled"

    run(main())


def test_stop_cuts_tunnels(run: Any) -> None:
    async def main() -> None:
        async with echo_peer() as port, serving(Tunnelling(port)) as running:
            client = await running.connect()
            await client.say(UPGRADE_HEAD + b"x")
            await client.head()
            await client.reader.readexactly(1)
            await running.server.stop(grace=0)
            assert await client.rest() == b""

    run(main())


def test_an_upgrade_that_is_not_taken_is_answered_as_http(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            await client.say(UPGRADE_HEAD + b"bytes of the other protocol")
            answered = await client.answer()
            assert (answered.status, answered.body) == (200, b"GET /chat ")
            assert answered.headers[b"connection"] == b"close"
            assert await client.rest() == b""

    run(main())


def test_a_client_that_goes_before_its_tunnel_is_taken(run: Any) -> None:
    results: asyncio.Queue[str] = asyncio.Queue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        try:
            scope["extensions"][UPGRADE].take(SWITCHING)
        except ConnectionResetError as error:
            results.put_nowait(str(error))

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(UPGRADE_HEAD)
            await client.close()
            assert "closed" in await asyncio.wait_for(results.get(), PATIENCE)

    run(main())


@pytest.mark.parametrize(
    "headers",
    [
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 5\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n",
    ],
)
def test_an_upgrade_with_a_body_is_read_as_http(run: Any, headers: bytes) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            for _ in range(2):
                await client.say(b"POST /j HTTP/1.1\r\nHost: a\r\n" + headers + b"\r\nhello")
                assert (await client.answer()).body == b"POST /j hello"

    run(main())


def test_h2c_is_declined_on_every_pipelined_request(run: Any) -> None:
    seen: list[list[bytes]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append([name for name, _ in scope["headers"]])
        assert "extensions" not in scope
        await echo(scope, receive, send)

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            head = (
                b"GET /h2 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, keep-alive\r\n"
                b"Upgrade: h2c\r\nHTTP2-Settings: A\r\nX-Last: 1\r\n\r\n"
            )
            await client.say(head * 300)
            for _ in range(300):
                assert (await client.answer()).body == b"GET /h2 "
            assert seen == [[b"host", b"connection", b"x-last"]] * 300

    run(main())


def test_a_real_websocket_client_and_server(run: Any) -> None:
    async def talk(socket: websockets.ServerConnection) -> None:
        async for message in socket:
            await socket.send(f"you said {message!r}")

    async def main() -> None:
        async with websockets.serve(talk, "127.0.0.1", 0) as peer:
            port = next(iter(peer.sockets)).getsockname()[1]

            async def app(scope: Any, receive: Any, send: Any) -> None:
                """Hands the upgrade on as it came, as the gateway does with a custom runtime, and the 101 back."""
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                lines = [b"GET / HTTP/1.1", *(name + b": " + value for name, value in scope["headers"])]
                writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                server: Any = writer.transport
                server.pause_reading()
                client, early = scope["extensions"][UPGRADE].take(head)
                await splice(client, server, early)

            async with serving(app) as running:
                url = f"ws://127.0.0.1:{running.server.port}/"
                async with websockets.connect(url, origin="http://localhost", proxy=None) as socket:  # type: ignore[arg-type]
                    for word in ("one", "x" * 300_000):
                        await socket.send(word)
                        assert await asyncio.wait_for(socket.recv(), PATIENCE) == f"you said {word!r}"

    run(main())
