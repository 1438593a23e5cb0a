"""The same head again and again on one connection, as most clients send it: each request is still one of its own."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from gateway_serving import answer, echo, read_body, serving

POST = b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n"
GET = b"GET /a?b=c HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def scope_and_body(scope: Any, receive: Any, send: Any) -> None:
    """Answers with all that is known of the request, and spoils it for whoever would be given the same again."""
    names = ("method", "path", "query_string", "headers", "http_version")
    told = [repr(scope[name]) for name in names] + [repr(sorted(scope)), repr(await read_body(receive))]
    scope["headers"].append((b"x-mine", b"1"))
    scope["path"] = "/spoilt"
    scope["mine"] = True
    await answer(send, json.dumps(told).encode())


@pytest.mark.parametrize("head", [POST, GET])
def test_each_is_as_if_it_came_first(run: Any, head: bytes) -> None:
    body = b"hi" if head is POST else b""

    async def main() -> None:
        async with serving(scope_and_body) as running:
            client = await running.connect()
            told = []
            for _ in range(4):
                await client.say(head + body)
                told.append((await client.answer()).body)
            assert len(set(told)) == 1
            assert running.server.connections == 1

    run(main())


def test_bodies_are_each_its_own(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            for number in range(10, 30):
                await client.say(POST + b"%d" % number)
                assert (await client.answer()).body == b"POST /a %d" % number

    run(main())


def test_a_connection_ends_where_its_head_says_so(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            closing = POST.replace(b"Host", b"Connection: close\r\nHost")
            for _ in range(3):
                await client.say(POST + b"hi")
                assert b"connection" not in (await client.answer()).headers
            await client.say(closing + b"by")
            assert (await client.answer()).headers[b"connection"] == b"close"
            assert await client.rest() == b""

    run(main())


def test_one_that_comes_under_the_answer_before_it_waits(run: Any) -> None:
    release = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = await read_body(receive)
        if body == b"00":
            await release.wait()
        await answer(send, body)

    async def main() -> None:
        async with serving(app) as running:
            client = await running.connect()
            await client.say(POST + b"--")
            await client.answer()
            for number in range(5):
                await client.say(POST + b"%02d" % number)
                await asyncio.sleep(0.01)  # so that each is a piece of its own
            release.set()
            assert [(await client.answer()).body for _ in range(5)] == [b"%02d" % number for number in range(5)]

    run(main())


def test_an_upgrade_that_is_declined_and_a_hundred_that_is_awaited_are_read_each_time(run: Any) -> None:
    async def main() -> None:
        async with serving(echo) as running:
            client = await running.connect()
            for _ in range(3):
                await client.say(GET.replace(b"Host", b"Upgrade: h2c\r\nConnection: upgrade\r\nHost"))
                assert (await client.answer()).body == b"GET /a "
                await client.say(POST.replace(b"Host", b"Expect: 100-continue\r\nHost"))
                assert (await client.head())[0] == 100
                await client.say(b"hi")
                assert (await client.answer()).body == b"POST /a hi"

    run(main())


KINDS = [
    POST + b"hi",
    POST + b"\r\n",
    GET,
    POST.replace(b"2", b"4") + b"\r\n\r\n",
    POST.replace(b"2", b"0"),
    b"PUT /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n",
    b"PUT /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"\r\n" + GET,
    POST.replace(b"\r\nHost", b"\r\nX: " + b"y" * 5000 + b"\r\nHost") + b"hi",
]
"""Those that can be taken for one another more easily than others; the first ones come most often."""


@pytest.mark.parametrize("seed", range(12))
def test_any_row_of_requests_cut_anywhere_is_answered_as_each_alone(run: Any, seed: int) -> None:
    chance = random.Random(seed)
    row = [KINDS[min(int(chance.expovariate(0.6)), len(KINDS) - 1)] for _ in range(60)]

    async def main() -> None:
        async with serving(scope_and_body) as running:
            alone = {}
            for request in set(row):
                client = await running.connect()
                await client.say(request)
                alone[request] = (await client.answer()).body
            client = await running.connect()
            waiting = list(row)
            while waiting:
                together = [waiting.pop(0) for _ in range(min(len(waiting), chance.choice((1, 1, 1, 2, 3))))]
                data = b"".join(together)
                cut = chance.choice((0, 0, chance.randrange(len(data))))
                for piece in filter(None, (data[:cut], data[cut:])):
                    await client.say(piece)
                    await asyncio.sleep(0)
                for request in together:
                    assert (await client.answer()).body == alone[request]

    run(main())
