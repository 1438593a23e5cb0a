"""Slow clients, on purpose: every one is closed by its deadline, and the others do not notice (sandbox.md §6.4, R7)."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from gateway_serving import PATIENCE, SHORT, Client, Running, answer, echo, read_body, serving

from emulator.gateway.protocol import ON_DISCONNECT


def test_200_half_sent_heads_are_closed(run: Any) -> None:
    async def drip(client: Client) -> None:
        """Goes on sending, a byte at a time, as a slowloris does."""
        while not (client.reader.at_eof() or client.writer.is_closing()):
            client.writer.write(b"a")
            try:
                await asyncio.wait_for(client.reader.read(1000), 0.1)
            except TimeoutError:
                continue
            except ConnectionError:
                return

    async def main() -> None:
        # All of them share this loop with the good ones, which must not be late because of that.
        async with serving(echo, msgspec.structs.replace(SHORT, header=2.0)) as running:
            clients = [await running.connect() for _ in range(200)]
            for client in clients:
                await client.say(b"POST / HTTP/1.1\r\nHost: localhost\r\nX-A: ")
            dripping = [asyncio.create_task(drip(client)) for client in clients]
            good = 0
            async with asyncio.timeout(PATIENCE):
                while running.server.connections:
                    good += (await running.get()).status == 200
            assert good > 0
            await asyncio.gather(*dripping)

    run(main())


def test_a_half_sent_head_is_told_408(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            await client.say(b"GET / HTTP/1.1\r\nHost: loc")
            assert (await client.rest()).startswith(b"HTTP/1.1 408 ")

    run(main())


@pytest.mark.parametrize("silence", [b"", b"\r\n"])
def test_a_connection_that_never_asks_is_closed_without_a_word(run: Any, silence: bytes) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            await client.say(silence)
            assert await client.rest() == b""

    run(main())


def test_an_idle_connection_outlives_the_deadlines_of_requests(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            idle, slow = await running.connect(), await running.connect()
            await idle.say(b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n")
            await idle.answer()
            # Once this one was closed by its deadline, the idle one is older than every deadline but its own.
            await slow.say(b"GET")
            await slow.rest()
            await idle.say(b"GET /two HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await idle.answer()).body == b"GET /two "

    run(main())


def test_an_idle_connection_is_closed_in_the_end(run: Any) -> None:
    async def main() -> None:
        async with serving(echo, msgspec.structs.replace(SHORT, keep_alive=0.3)) as running:
            client = await running.connect()
            await client.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.answer()
            assert await client.rest() == b""

    run(main())


@pytest.mark.parametrize("head", [b"Content-Length: 10", b"Transfer-Encoding: chunked"])
def test_a_body_that_stops_ends_the_request(run: Any, head: bytes) -> None:
    ends: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await read_body(receive)
        except ConnectionResetError:
            ends.append("disconnected")

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(b"POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n3\r\nabc" % head)
            assert (await client.rest()).startswith(b"HTTP/1.1 408 ")
        assert ends == ["disconnected"]

    run(main())


def test_a_body_that_stops_under_an_answer_cuts_the_answer(run: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await receive()
        await receive()

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
            rest = await client.rest()
            assert rest.startswith(b"HTTP/1.1 200 ")
            assert rest.endswith(b"5\r\nbegun\r\n")

    run(main())


def test_an_application_that_does_not_read_is_not_the_fault_of_the_client(run: Any) -> None:
    read = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await read.wait()
        await echo(scope, receive, send)

    async def main() -> None:
        async with serving(app) as running:
            body = b"x" * 4_000_000
            client, other = await running.connect(), await running.connect()
            sending = asyncio.create_task(
                client.say(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            )
            await other.say(b"GET")
            await other.rest()
            read.set()
            await sending
            assert (await client.answer()).body == b"POST /slow " + body

    run(main())


def test_the_rest_of_a_body_that_nobody_reads_is_awaited_only_so_long(run: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"no", 403)

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc")
            assert (await client.answer()).status == 403
            async with asyncio.timeout(PATIENCE):
                while not (client.reader.at_eof() or client.writer.is_closing()):
                    client.writer.write(b"x")
                    await asyncio.sleep(0.05)

    run(main())


def test_a_long_silence_of_the_function_is_no_deadline_of_ours(run: Any) -> None:
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/long":
            await go_on.wait()
        await echo(scope, receive, send)

    async def main() -> None:
        async with serving(app) as running:
            client, slow = await running.connect(), await running.connect()
            await client.say(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
            await slow.say(b"GET")
            await slow.rest()
            go_on.set()
            assert (await client.answer()).body == b"GET /long "

    run(main())


async def _stall(running: Running) -> Client:
    client = await running.connect(limit=1024)
    client.writer.transport.pause_reading()
    await client.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    return client


def test_readers_that_take_nothing_are_cut(run: Any) -> None:
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/good":
            return await echo(scope, receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            for _ in range(1000):
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
                if await _gone(receive):
                    break
        finally:
            ended.append("ended")

    async def _gone(receive: Any) -> bool:
        try:
            async with asyncio.timeout(0):
                return bool((await receive())["type"] == "http.disconnect")
        except TimeoutError:
            return False

    async def main() -> None:
        async with serving(app) as running:
            for _ in range(5):
                await _stall(running)
            assert (await running.get(b"/good")).status == 200
            await running.connections(0)
            async with asyncio.timeout(PATIENCE):
                while len(ended) < 5:
                    await asyncio.sleep(0.02)

    run(main())


def test_an_answer_that_was_handed_over_whole_is_cut_too(run: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"x" * 20_000_000)

    async def main() -> None:
        async with serving(app) as running:
            await _stall(running)
            await running.connections(0)

    run(main())


def test_a_reader_that_is_slow_but_reads_gets_everything(run: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"x" * 8_000_000)

    async def main() -> None:
        # Many lumps, each well inside of the deadline, together far longer than it.
        async with serving(app, msgspec.structs.replace(SHORT, write=1.0)) as running:
            client = await _stall(running)
            client.writer.transport.resume_reading()
            got = 0
            while got < 8_000_000:
                got += len(await client.reader.read(400_000))
                await asyncio.sleep(0.1)
            assert running.server.connections == 1

    run(main())


def test_a_client_that_goes_disconnects_its_request(run: Any) -> None:
    gone = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if (await receive())["type"] == "http.disconnect":
            gone.set()

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.close()
            await asyncio.wait_for(gone.wait(), PATIENCE)

    run(main())


@pytest.mark.parametrize("pipelined", [b"", b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_a_client_that_goes_is_told_without_being_waited_for(run: Any, pipelined: bytes) -> None:
    started, gone = asyncio.Event(), asyncio.Event()
    paths: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        paths.append(scope["path"])
        scope[ON_DISCONNECT] = gone.set
        started.set()
        await gone.wait()
        await answer(send, b"to nobody")

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n" + pipelined)
            await started.wait()
            await client.close()
            await asyncio.wait_for(gone.wait(), PATIENCE)
        assert paths == ["/one"]

    run(main())


def test_an_answered_request_is_not_told_of_the_end_of_its_connection(run: Any) -> None:
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope[ON_DISCONNECT] = lambda: told.append("gone")
        await echo(scope, receive, send)

    async def main() -> None:
        async with serving(app) as running:
            await running.get()
            await running.connections(0)
        assert told == []

    run(main())


def test_stop_lets_a_request_end(run: Any) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        started.set()
        await go_on.wait()
        await echo(scope, receive, send)

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n")
            await started.wait()
            stopping = asyncio.create_task(running.server.stop(grace=PATIENCE))
            await asyncio.sleep(0)
            go_on.set()
            answered = await client.answer()
            assert (answered.body, answered.headers[b"connection"]) == (b"GET /last ", b"close")
            await stopping
            with pytest.raises(OSError):
                await running.connect()

    run(main())


def test_stop_cuts_what_does_not_end(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    cleaned: list[str] = []
    started = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("cleaned")

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await running.connect()
            await started.wait()
            await running.server.stop(grace=0.05)
            assert await client.rest() == b""
        assert cleaned == ["cleaned"]

    run(main())
    assert caplog.records == []
