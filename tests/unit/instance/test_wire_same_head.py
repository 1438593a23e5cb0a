"""Answers with the same head again and again, as bootstraps give them: each is still one of its own."""

from __future__ import annotations

import random

import pytest

from emulator.instance.wire import Wire, WireResponse
from tests.support.wire_end import GET, OK, POST, Instance, on_a_wire, passed, whole

Told = tuple[int, list[tuple[bytes, bytes]], int | None, bytes, bool]

KINDS = [
    OK,
    OK.replace(b"ok", b"\r\n"),
    OK.replace(b"2\r\n\r\nok", b"4\r\n\r\n\r\n\r\n"),
    OK.replace(b"2\r\n\r\nok", b"0\r\n\r\n"),
    b"HTTP/1.1 404 Not Found\r\nx-fc-status: 404\r\ncontent-length: 3\r\n\r\nbad",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK,
    OK.replace(b"content", b"x: " + b"y" * 5000 + b"\r\ncontent"),
]
"""Those that can be taken for one another more easily than others; the first ones come most often."""


async def exchanged(wire: Wire, instance: Instance, answer: bytes, cut: int = 0) -> Told:
    asked = wire.request(POST, b"ping")
    await instance.hear(len(POST) + 4)
    for piece in filter(None, (answer[:cut], answer[cut:])):
        await instance.say(piece)
        await passed(1)
    response: WireResponse = await asked
    headers = list(response.headers)
    response.headers.append((b"x-spoilt", b"1"))
    body = await whole(response)
    return response.status, headers, response.length, body, wire.reusable


def alone(answer: bytes) -> Told:
    told: list[Told] = []

    async def talk(wire: Wire, instance: Instance) -> None:
        told.append(await exchanged(wire, instance, answer))

    on_a_wire(talk)
    return told[0]


@pytest.mark.parametrize("seed", range(8))
def test_any_row_of_answers_cut_anywhere_is_heard_as_each_alone(seed: int) -> None:
    chance = random.Random(seed)
    row = [KINDS[min(int(chance.expovariate(0.6)), len(KINDS) - 1)] for _ in range(40)]
    first = {answer: alone(answer) for answer in KINDS}
    assert all(told[-1] for told in first.values()), "each leaves a wire that goes on"

    async def talk(wire: Wire, instance: Instance) -> None:
        for answer in row:
            cut = chance.choice((0, 0, 0, chance.randrange(len(answer))))
            assert await exchanged(wire, instance, answer, cut) == first[answer]

    on_a_wire(talk)


def test_an_answer_to_head_has_no_body_whatever_came_before() -> None:
    async def talk(wire: Wire, instance: Instance) -> None:
        for _ in range(3):
            assert (await exchanged(wire, instance, OK))[3] == b"ok"
        asked = wire.request(GET.replace(b"GET", b"HEAD"), b"", no_body=True)
        await instance.hear(len(GET) + 1)
        await instance.say(OK[:-2])
        response = await asked
        assert response.complete and response.body == b""
        assert (await exchanged(wire, instance, OK))[3] == b"ok"

    on_a_wire(talk)


@pytest.mark.parametrize("behind", [b"HTTP/1.", OK, b"garbage"])
def test_what_comes_behind_an_answer_spoils_the_wire_and_not_the_answer(behind: bytes) -> None:
    async def talk(wire: Wire, instance: Instance) -> None:
        for _ in range(3):
            assert (await exchanged(wire, instance, OK))[4]
        status, _, _, body, reusable = await exchanged(wire, instance, OK + behind)
        await passed()
        assert (status, body) == (200, b"ok")
        assert not reusable

    on_a_wire(talk)


def test_a_connection_that_is_to_close_is_not_used_again() -> None:
    closing = OK.replace(b"content", b"connection: close\r\ncontent")

    async def talk(wire: Wire, instance: Instance) -> None:
        for answer, again in ((OK, True), (OK, True), (closing, False)):
            assert (await exchanged(wire, instance, answer))[4] is again

    on_a_wire(talk)
