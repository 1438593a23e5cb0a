"""The load generator against servers of every temper: what it counts as an answer, and what as an error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from bench.load import Load, Result, percentile, run_load

Answer = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]
BODY = '{"data":"abc"}'


def load_on(answer: Answer, *, clients: int = 2, calls: int = 5, seconds: float = 0, patience: float = 20) -> Result:
    """Drive a server that hands each request's body to `answer`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                await answer(writer, await reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> Result:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            load = Load(port, "/", BODY, clients, seconds, calls, answer_bytes=len(BODY), patience_seconds=patience)
            return await run_load(load)

    return uvloop.run(main())


def reply(status: int, body: bytes, extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), extra, body)


async def echo(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(reply(200, body))


def test_every_call_of_every_client_is_answered():
    result = load_on(echo)
    assert (result.answered, dict(result.errors)) == (10, {})
    assert 0 < result.p50_ms <= result.p90_ms <= result.p99_ms <= result.max_ms


def test_a_load_by_time_counts_what_came_within_it():
    result = load_on(echo, calls=0, seconds=0.3)
    assert result.answered > 0 and result.failed == 0
    assert result.per_second * 0.3 <= result.answered <= result.per_second * 0.3 + 2


def test_chunked_answers_and_answers_in_pieces_are_answers():
    async def pieces(writer: asyncio.StreamWriter, body: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(body), 5):
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(b"%x\r\n%s\r\n" % (len(body[at : at + 5]), body[at : at + 5]))
        writer.write(b"0\r\n\r\n")

    assert load_on(pieces).answered == 10


def test_a_server_that_closes_after_each_answer_is_met_anew():
    async def once(writer: asyncio.StreamWriter, body: bytes) -> None:
        writer.write(reply(200, body, b"Connection: close\r\n"))
        writer.close()

    result = load_on(once)
    assert (result.answered, dict(result.errors)) == (10, {})


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(500, BODY.encode()), "status 500"),
        (reply(200, b"{}"), "wrong length"),
        (b"garbage\r\n\r\n", "not HTTP"),
        (b"", "connection lost"),
    ],
)
def test_what_is_not_a_right_answer_is_an_error(answer, kind):
    async def wrong(writer: asyncio.StreamWriter, body: bytes) -> None:
        writer.write(answer)
        if not answer:
            writer.close()

    result = load_on(wrong)
    assert result.answered == 0 and dict(result.errors) == {kind: 10}


def test_calls_that_still_wait_at_the_end_of_patience_are_errors():
    async def silent(writer: asyncio.StreamWriter, body: bytes) -> None:
        return None

    assert dict(load_on(silent, patience=0.2).errors) == {"no answer": 2}


def test_nobody_listening_is_refused():
    with pytest.raises(ConnectionRefusedError):
        uvloop.run(run_load(Load(1, "/", BODY, 1, calls=1)))


def test_percentiles_of_a_known_list():
    values = [float(number) for number in range(101)]
    assert [percentile(values, share) for share in (0, 0.5, 0.99, 1)] == [0, 50, 99, 100]
    assert percentile([], 0.5) == 0
