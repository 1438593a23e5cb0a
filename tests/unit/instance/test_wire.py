"""One connection to an instance: what comes back is an answer, or an error that says what went wrong."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from emulator.instance.wire import (
    HEAD_BYTES,
    READ_AHEAD_BYTES,
    Wire,
    WireBodyBroken,
    WireClosed,
    WireError,
    WireGarbage,
    WireResponse,
)

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


def test_a_short_answer_comes_with_its_body_and_the_wire_carries_another():
    async def talk(wire: Wire, instance: Instance) -> None:
        for body in (b"ping", b"pong"):
            asked = wire.request(POST, body)
            assert await instance.hear(len(POST) + 4) == POST + body
            await instance.say(OK)
            response = await asked
            assert (response.status, response.complete, response.body) == (200, True, b"ok")
            assert wire.reusable

    on_a_wire(talk)


def test_headers_keep_their_order_and_get_lower_case_names():
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(GET, b"")
        await instance.say(b"HTTP/1.1 404 Not Found\r\nSet-Cookie: a\r\nX-Fc-Status: 404\r\nset-cookie: b\r\n\r\n")
        instance.close()
        assert (await asked).headers == [(b"set-cookie", b"a"), (b"x-fc-status", b"404"), (b"set-cookie", b"b")]

    on_a_wire(talk)


@pytest.mark.parametrize(
    "garbage",
    [b"hello, I am no HTTP server\n", b"\0\0\0\0", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
     b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"],
)  # fmt: skip
def test_what_is_not_http_is_garbage_and_ends_the_wire(garbage):
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(GET, b"")
        await instance.say(garbage)
        with pytest.raises(WireGarbage):
            await asked
        assert not wire.reusable
        assert await instance.hear(len(GET) + 1) == GET, "the wire is closed behind its request"

    on_a_wire(talk)


def test_a_head_without_end_is_garbage():
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(GET, b"")
        await instance.say(b"HTTP/1.1 200 OK\r\n")
        with pytest.raises(WireGarbage, match="does not end"), contextlib.suppress(OSError):
            for _ in range(HEAD_BYTES // 1000 + 2):
                await instance.say(b"x-filler: %b\r\n" % (b"x" * 1000))
            await asked
        if not asked.done():
            await asked
        assert not wire.reusable

    on_a_wire(talk)


@pytest.mark.parametrize(("said", "answered"), [(b"", False), (b"HTTP/1.1 20", False), (OK[:-1], True)])
def test_an_instance_that_closes_early_is_told_with_whether_it_had_begun(said, answered):
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(GET, b"")
        await instance.hear(len(GET))
        await instance.say(said)
        if answered:
            assert (await asked).status == 200
        instance.close()
        with pytest.raises(WireClosed) as closed:
            await whole(await asked)
        assert closed.value.answered is answered
        assert not wire.reusable

    on_a_wire(talk)


def test_a_broken_chunked_body_is_not_taken_for_a_whole_one():
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(GET, b"")
        await instance.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        response = await asked
        pieces = response.stream()
        assert await anext(pieces) == b"abc"
        instance.close()
        with pytest.raises(WireClosed):
            await anext(pieces)

    on_a_wire(talk)


def test_garbage_in_a_chunked_body_breaks_it_off():
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(GET, b"")
        await instance.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        pieces = (await asked).stream()
        assert await anext(pieces) == b"abc"
        await instance.say(b"zzz\r\n")
        with pytest.raises(WireGarbage):
            await anext(pieces)

    on_a_wire(talk)


def test_a_body_without_length_ends_with_the_connection():
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(GET, b"")
        await instance.hear(len(GET))
        await instance.say(b"HTTP/1.0 200 OK\r\n\r\nuntil ")
        response = await asked
        assert not response.complete and response.length is None
        await instance.say(b"the end")
        instance.close()
        assert await whole(response) == b"until the end"
        assert not wire.reusable

    on_a_wire(talk)


def test_interim_answers_are_passed_over():
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(POST, b"ping")
        await instance.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK)
        response = await asked
        assert (response.status, response.body) == (200, b"ok")
        assert (b"link", b"</a>") not in response.headers
        assert wire.reusable

    on_a_wire(talk)


def test_an_answer_to_head_has_no_body_and_leaves_the_wire_usable():
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(b"HEAD / HTTP/1.1\r\n\r\n", b"", no_body=True)
        await instance.say(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
        response = await asked
        assert (response.complete, response.body, response.length) == (True, b"", 5)
        assert wire.reusable
        asked = wire.request(GET, b"")
        await instance.say(OK)
        assert (await asked).body == b"ok"

    on_a_wire(talk)


def test_a_body_behind_an_answer_to_head_is_nobody_s():
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(b"HEAD / HTTP/1.1\r\n\r\n", b"", no_body=True)
        await instance.say(OK)
        assert (await asked).body == b""
        await passed()
        assert not wire.reusable

    on_a_wire(talk)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_answers_that_have_no_body_end_with_their_head(status):
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(GET, b"")
        await instance.say(b"HTTP/1.1 " + status + b"\r\n\r\n")
        response = await asked
        assert (response.complete, response.body) == (True, b"")
        assert wire.reusable

    on_a_wire(talk)


def test_a_wire_whose_instance_says_close_is_not_used_again():
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(GET, b"")
        await instance.say(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
        assert (await asked).body == b"ok"
        assert not wire.reusable

    on_a_wire(talk)


@pytest.mark.parametrize("behind", [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", b"garbage"])
def test_what_an_instance_says_unasked_never_answers_the_next_request(behind):
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(GET, b"")
        await instance.say(OK)
        assert (await asked).body == b"ok"
        await instance.say(behind)
        await passed()
        assert not wire.reusable

    on_a_wire(talk)


@pytest.mark.parametrize("behind", [OK, b"garbage"])
def test_more_than_one_answer_in_one_piece_answers_one_request_only(behind):
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(GET, b"")
        await instance.say(OK + behind)
        response = await asked
        assert (response.body, response.headers) == (b"ok", [(b"content-length", b"2")])
        await passed()
        assert not wire.reusable

    on_a_wire(talk)


def test_an_instance_that_talks_unasked_without_end_is_cut_off():
    async def talk(wire: Wire, instance: Instance) -> None:
        with pytest.raises(OSError, match=r"."):
            for _ in range(100):
                await instance.say(b"x" * READ_AHEAD_BYTES)
        await passed()
        assert wire.closed

    on_a_wire(talk)


def test_a_closed_wire_refuses_a_request():
    async def talk(wire: Wire, instance: Instance) -> None:
        instance.close()
        await passed()
        assert not wire.reusable
        with pytest.raises(WireClosed) as closed:
            await wire.request(GET, b"")
        assert not closed.value.answered

    on_a_wire(talk)


def test_a_body_that_nobody_reads_holds_the_instance_back():
    async def talk(wire: Wire, instance: Instance) -> None:
        size = 64 * READ_AHEAD_BYTES
        asked = wire.request(GET, b"")
        await instance.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        saying = asyncio.create_task(instance.say(b"z" * size))
        pieces = (await asked).stream()
        await passed(100)
        assert not saying.done()
        got = 0
        async for piece in pieces:
            got += len(piece)
        await saying
        assert got == size

    on_a_wire(talk)


@pytest.mark.parametrize("chunked", [True, False])
def test_a_streamed_request_body_is_framed_as_its_head_says(chunked):
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"one", b"", b"three"):
            yield piece

    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(POST, pieces(), chunked=chunked)
        sent = b"3\r\none\r\n5\r\nthree\r\n0\r\n\r\n" if chunked else b"onethree"
        assert await instance.hear(len(POST) + len(sent)) == POST + sent
        await instance.say(OK)
        assert (await asked).body == b"ok"
        await passed(2)
        assert wire.reusable

    on_a_wire(talk)


def test_a_request_body_that_breaks_off_ends_the_exchange_with_its_cause():
    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        raise ConnectionResetError("the client has gone")

    async def talk(wire: Wire, instance: Instance) -> None:
        with pytest.raises(WireBodyBroken) as broken:
            await wire.request(POST, pieces(), chunked=True)
        assert isinstance(broken.value.cause, ConnectionResetError)
        assert not wire.reusable

    on_a_wire(talk)


def test_an_answer_before_the_whole_request_was_sent_leaves_no_wire_to_use():
    endless = asyncio.Event

    async def talk(wire: Wire, instance: Instance) -> None:
        never = endless()

        async def pieces() -> AsyncIterator[bytes]:
            yield b"begun"
            await never.wait()

        asked = wire.request(POST, pieces(), chunked=True)
        await instance.hear(len(POST))
        await instance.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        assert (await asked).status == 413
        assert not wire.reusable

    on_a_wire(talk)


def test_giving_up_reaches_who_waits_for_the_head_and_who_reads_the_body():
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(GET, b"")
        wire.abandon(WireError("deadline"))
        with pytest.raises(WireError, match="deadline"):
            await asked

    async def talk_of_a_body(wire: Wire, instance: Instance) -> None:
        asked = wire.request(GET, b"")
        await instance.say(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab")
        pieces = (await asked).stream()
        assert await anext(pieces) == b"ab"
        reading = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0)
        wire.abandon(WireError("deadline"))
        with pytest.raises(WireError, match="deadline"):
            await reading

    on_a_wire(talk)
    on_a_wire(talk_of_a_body)


def test_an_upgrade_hands_over_the_transport_and_what_came_behind_the_head():
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(GET, b"")
        await instance.say(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nfirst frame")
        response = await asked
        assert response.upgraded
        transport, early = response.detach()
        assert early == b"first frame"
        assert not wire.reusable
        transport.abort()

    on_a_wire(talk)
