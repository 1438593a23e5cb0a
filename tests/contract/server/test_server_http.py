"""Plain HTTP: what clients of every age send, and what uvicorn leaves to be desired."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from gateway_serving import PATIENCE, Client, answer, echo, read_body, serving


def test_answers_on_both_loopback_addresses(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            for host in ("127.0.0.1", "localhost"):
                client = await running.connect(host)
                await client.say(b"GET /a%20b?c=d HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answered = await client.answer()
                assert (answered.status, answered.body) == (200, b"GET /a%20b ")
                assert b"GMT" in answered.headers[b"date"]
                assert b"server" not in answered.headers

    run(main())


def test_keeps_a_connection_for_many_requests(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            for number in range(50):
                await client.say(b"POST /%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi" % number)
                assert (await client.answer()).body == b"POST /%d hi" % number
            assert running.server.connections == 1

    run(main())


def test_answers_pipelined_requests_in_order(run: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        # The first is the slowest, so that order does not come by itself.
        await asyncio.sleep(0.05 if scope["path"] == "/0" else 0)
        await echo(scope, receive, send)

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            requests = [b"GET /%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % i for i in range(20)]
            requests.insert(3, b"POST /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc")
            await client.say(b"".join(requests))
            got = [(await client.answer()).body for _ in requests]
            assert got == [b"GET /0 ", b"GET /1 ", b"GET /2 ", b"POST /b abc", *(b"GET /%d " % i for i in range(3, 20))]

    run(main())


def test_garbage_behind_a_request_does_not_spoil_its_answer(run: Any) -> None:
    release = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await release.wait()
        await echo(scope, receive, send)

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(b"GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n" + b"\x00\x01garbage\r\n\r\n")
            release.set()
            answered = await client.answer()
            assert (answered.status, answered.body) == (200, b"GET /first ")
            assert answered.headers[b"connection"] == b"close"
            assert await client.rest() == b""

    run(main())


def test_a_broken_body_behind_a_request_is_refused_in_its_turn(run: Any) -> None:
    release = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await release.wait()
        await echo(scope, receive, send)

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(
                b"GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n"
                b"POST /second HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n"
            )
            release.set()
            assert (await client.answer()).body == b"GET /first "
            assert (await client.answer()).status == 400
            assert await client.rest() == b""

    run(main())


def test_a_broken_body_ends_the_request_that_waits_for_it(run: Any) -> None:
    ends: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await read_body(receive)
        except ConnectionResetError:
            ends.append("disconnected")

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(
                b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n"
            )
            assert (await client.answer()).status == 400
            assert await client.rest() == b""
        assert ends == ["disconnected"]

    run(main())


def test_chunked_bodies_and_their_trailers(run: Any) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = await read_body(receive)
        seen.extend(scope["headers"])
        await answer(send, body)

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(
                b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nX-Fclocal-Token: stolen\r\n\r\n"
            )
            assert (await client.answer()).body == b"abcdefg"
            # A trailer never becomes a header: headers were judged before the body came.
            assert b"x-fclocal-token" not in dict(seen)
            await client.say(b"GET /next HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            assert (await client.answer()).status == 200

    run(main())


def test_http_1_0_gets_no_chunks(run: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"transfer-encoding", b"chunked")]})
        await send({"type": "http.response.body", "body": b"one ", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(b"GET / HTTP/1.0\r\n\r\n")
            head, _, body = (await client.rest()).partition(b"\r\n\r\n")
            assert b"transfer-encoding" not in head.lower()
            assert body == b"one two"

    run(main())


def test_http_1_0_with_a_length(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            await client.say(b"POST /old HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc")
            assert (await client.answer()).body == b"POST /old abc"
            assert await client.rest() == b""

    run(main())


def test_expect_continue(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            assert (await client.head())[0] == 100
            await client.say(b"hello")
            assert (await client.answer()).body == b"POST / hello"
            await client.say(b"GET /again HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await client.answer()).body == b"GET /again "

    run(main())


def test_expect_continue_refused_by_the_application(run: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"too large", 413)

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            answered = await client.answer()
            assert (answered.status, answered.body) == (413, b"too large")
            # Whether a body or a request comes next is open, so the connection ends.
            assert await client.rest() == b""

    run(main())


def test_an_early_answer_reaches_a_client_that_is_still_sending(run: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (answer(send, b"too large", 413) if scope["method"] == "POST" else echo(scope, receive, send))

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n" + b"x" * 4_000_000)
            assert (await client.answer()).status == 413
            await client.say(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await client.answer()).body == b"GET /next "

    run(main())


def test_bodies_of_32_mb_both_ways_four_at_once(run: Any) -> None:
    async def one(client: Client, fill: bytes) -> None:
        body = fill * (32 * 1024 * 1024)
        await client.say(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert (await client.answer()).body == b"POST / " + body

    async def main() -> None:
        async with serving(echo) as running:
            await asyncio.gather(*[one(await running.connect(), fill) for fill in (b"a", b"b", b"c", b"d")])

    run(main())


def test_a_stream_arrives_while_it_is_made(run: Any) -> None:
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"data: 2\n\n"})

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await client.head()
            assert await asyncio.wait_for(client.reader.readuntil(b"\n\n"), PATIENCE) == b"9\r\ndata: 1\n\n"
            go_on.set()
            assert (
                await asyncio.wait_for(client.reader.readuntil(b"0\r\n\r\n"), PATIENCE)
                == b"\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n"
            )

    run(main())


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n\x00",
        b"NOT HTTP AT ALL\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\nabc",
        b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_malformed_requests_are_400(run: Any, request_bytes: bytes) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            await client.say(request_bytes)
            assert (await client.rest()).startswith(b"HTTP/1.1 400 ")
            assert (await running.get()).status == 200

    run(main())


def test_connect_is_not_a_tunnel(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            await client.say(b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n")
            assert (await client.rest()).startswith(b"HTTP/1.1 501 ")

    run(main())


@pytest.mark.parametrize("size", [70_000, 200_000, 1_000_000])
@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"GET /"])
def test_a_head_without_end_is_431_at_once(run: Any, size: int, line: bytes) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            client.writer.write(line + b"a" * size)
            assert (await client.rest()).startswith(b"HTTP/1.1 431 ")

    run(main())


@pytest.mark.parametrize("headers", [b"X: " + b"a" * 100_000 + b"\r\n", b"X: a\r\n" * 20_000])
def test_a_whole_head_that_is_too_large_is_431(run: Any, headers: bytes) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            client.writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n" + headers + b"\r\n")
            assert (await client.rest()).startswith(b"HTTP/1.1 431 ")

    run(main())


def test_a_large_body_in_one_piece_with_its_head_is_no_large_head(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000)
            assert len((await client.answer()).body) == 200_007

    run(main())


def test_a_trailer_without_end_is_refused(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            client.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ")
            client.writer.write(b"a" * 1_000_000)
            assert (await client.rest()).startswith(b"HTTP/1.1 400 ")

    run(main())


def test_garbage_of_every_kind_leaves_a_living_server(run: Any) -> None:
    seed = random.Random(1)
    good = b"POST /x?y=z HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello"

    def hostile() -> bytes:
        kind = seed.randrange(4)
        if kind == 0:
            return seed.randbytes(seed.randrange(1, 2000))
        data = bytearray(good)
        if kind == 1:
            for _ in range(seed.randrange(1, 6)):
                data[seed.randrange(len(data))] = seed.randrange(256)
        elif kind == 2:
            del data[seed.randrange(len(data)) :]
        else:
            at = seed.randrange(len(data))
            data[at:at] = seed.randbytes(seed.randrange(1, 40))
        return bytes(data)

    async def one(client: Client, data: bytes) -> None:
        await client.say(data)
        client.writer.write_eof()
        await client.rest()
        await client.close()

    async def main() -> None:
        async with serving(echo) as running:
            for _ in range(10):
                await asyncio.gather(*[one(await running.connect(), hostile()) for _ in range(30)])
            assert (await running.get(b"/alive")).body == b"GET /alive "
            await running.connections(0)

    run(main())


def test_an_exception_of_the_application_is_500_and_logged(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("a bug")

    async def main() -> None:
        async with serving(app) as running:
            assert (await running.get()).status == 500

    run(main())
    (record,) = caplog.records
    assert record.name == "emulator.gateway"
    assert record.exc_info is not None and isinstance(record.exc_info[1], ValueError)
