"""One connection to an instance: what comes back is its answer, whole or as a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from emulator.instance.wire import READ_AHEAD_BYTES, Wire, WireBodyBroken, WireError
from tests.support.wire_end import GET, OK, POST, Instance, on_a_wire, passed, whole


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
