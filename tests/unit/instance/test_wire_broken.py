"""Instances that close early, talk out of turn or say what is not HTTP: an error that says what went wrong."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator

import pytest

from emulator.instance.wire import HEAD_BYTES, READ_AHEAD_BYTES, Wire, WireClosed, WireError, WireGarbage
from tests.support.wire_end import GET, OK, Instance, joined, on_a_wire, passed, whole


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


def test_a_body_behind_an_answer_to_head_is_nobody_s():
    async def talk(wire: Wire, instance: Instance) -> None:
        asked = wire.request(b"HEAD / HTTP/1.1\r\n\r\n", b"", no_body=True)
        await instance.say(OK)
        assert (await asked).body == b""
        await passed()
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


CONNECTIONS, AT_ONCE = 3000, 100
GOOD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n"


def hostile_answers(seed: random.Random) -> Iterator[bytes]:
    """Six kinds of answers that are wrong, or only just not, for ever."""
    while True:
        good = seed.choice((GOOD, CHUNKED))
        at = seed.randrange(len(good))
        yield seed.randbytes(seed.randrange(1, 2000))
        yield good[:at]
        yield good[:at] + seed.randbytes(seed.randrange(1, 40)) + good[at:]
        changed = bytearray(good)
        for _ in range(seed.randrange(1, 6)):
            changed[seed.randrange(len(changed))] = seed.randrange(256)
        yield bytes(changed)
        yield good * seed.randrange(2, 5) + good[:at]
        yield b"HTTP/1.1 %d X\r\n%b\r\n" % (seed.randrange(1000), good.split(b"\r\n", 1)[1])


def test_garbage_of_every_kind_is_an_answer_or_an_error_of_the_wire():
    """3000 connections (sandbox.md §6.4 R4): nothing else is raised, here or in the loop, and none is used again."""
    answers = hostile_answers(random.Random(4))
    unexpected = []

    async def one(answer: bytes) -> bool:
        async with joined() as (wire, instance):
            asked = wire.request(GET, b"")
            await instance.say(answer)
            instance.close()
            try:
                body = await whole(await asked)
            except WireError:
                body = None
            await passed()
            assert not wire.reusable
            return body is not None

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unexpected.append(context))
        whole_ones = []
        async with asyncio.timeout(60):
            for _ in range(0, CONNECTIONS, AT_ONCE):
                whole_ones += await asyncio.gather(*(one(next(answers)) for _ in range(AT_ONCE)))
        assert any(whole_ones) and not all(whole_ones), "the answers are of both kinds"

    asyncio.run(main())
    assert unexpected == []
