"""Sessions that the function itself makes (MCP): their place is held from the beginning and given back at the end."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from msgspec.structs import replace

from emulator.model.events import InvocationStarted
from emulator.model.function import Affinity, SessionPolicy
from emulator.model.invocation import Kind, Outcome
from tests.support.core import HELLO, Core, core
from tests.support.fake_walls import FakeReply, FakeRequest


def function(affinity: Affinity, **policy: object):
    own = SessionPolicy(affinity, **{"sessions_per_instance": 1, **policy})
    return replace(HELLO, runtime="custom.debian12", session=own)


class Mcp:
    """An MCP server that makes a session for each POST without one, and for each stream."""

    def __init__(self) -> None:
        self.made = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, request: FakeRequest) -> FakeReply:
        await self.go_on.wait()
        known = request.headers.get("mcp-session-id", "")
        if request.method == "GET":
            self.made += 1
            event = f"event: endpoint\ndata: /messages?sessionId=s{self.made}\n\n"
            head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            return FakeReply(raw=f"{head}{len(event):x}\r\n{event}\r\n".encode())
        if known or request.target != "/mcp":
            return FakeReply(known.encode())
        self.made += 1
        return FakeReply(b"hello", headers={"mcp-session-id": f"s{self.made}"})


def post(c: Core, session: str = "", target: bytes = b"/mcp", method: bytes = b"POST"):
    headers = ((b"mcp-session-id", session.encode()),) if session else ()
    return c.invoke(b"{}", kind=Kind.HTTP, method=method, target=target, headers=headers)


@contextlib.asynccontextmanager
async def stream(c: Core, target: bytes = b"/sse"):
    """A stream that is open, its first event read."""
    async with c.dispatcher.invoke(c.call(kind=Kind.HTTP, method=b"GET", target=target)) as outcome:
        body = aiter(outcome.body)
        assert b"sessionId" in await anext(body)
        yield outcome


def instances_of(*outcomes: Outcome) -> list[str]:
    return [outcome.instance_id for outcome in outcomes]


@pytest.mark.parametrize("warm", [False, True])
def test_two_clients_that_begin_at_once_have_an_instance_each(warm):
    async def main():
        async with core(mcp := Mcp(), function(Affinity.MCP_STREAMABLE)) as c:
            if warm:
                made = dict((await post(c)).headers)[b"mcp-session-id"].decode()
                await post(c, made, method=b"DELETE")
            mcp.go_on.clear()
            clients = [asyncio.create_task(post(c)) for _ in range(3)]
            await c.until(lambda _: started(c) == 3 + 2 * warm)
            mcp.go_on.set()
            begun = await asyncio.gather(*clients)
            assert len(set(instances_of(*begun))) == 3
            for first in begun:
                session = dict(first.headers)[b"mcp-session-id"].decode()
                again = await post(c, session)
                assert (again.instance_id, again.body) == (first.instance_id, session.encode())
            assert len(c.walls.made) == 3

    asyncio.run(main())


def started(c: Core) -> int:
    return sum(isinstance(event, InvocationStarted) for event in c.seen)


def test_a_session_that_its_client_deletes_makes_place_for_another():
    async def main():
        async with core(Mcp(), function(Affinity.MCP_STREAMABLE)) as c:
            first = await post(c)
            session = dict(first.headers)[b"mcp-session-id"].decode()
            await post(c, session, method=b"DELETE")
            second = await post(c)
            assert instances_of(first) == instances_of(second)

    asyncio.run(main())


def test_a_call_that_makes_no_session_holds_no_place_when_it_is_over():
    async def main():
        async with core(Mcp(), replace(function(Affinity.MCP_STREAMABLE), max_instances=1), queue_timeout=60.0) as c:
            calls = [asyncio.create_task(post(c, target=b"/other")) for _ in range(4)]
            assert len({it.instance_id for it in await asyncio.gather(*calls)}) == 1
            assert c.scheduler.instances()[0].sessions == set()

    asyncio.run(main())


def test_a_stream_is_a_session_until_it_ends():
    async def main():
        async with core(Mcp(), function(Affinity.MCP_SSE)) as c:
            async with stream(c) as first, stream(c) as second:
                assert first.instance_id != second.instance_id
                for number, opened in ((1, first), (2, second)):
                    posted = await post(c, target=b"/messages?sessionId=s%d" % number)
                    assert posted.instance_id == opened.instance_id
            assert [it.sessions for it in c.scheduler.instances()] == [set()] * len(c.scheduler.instances())

    asyncio.run(main())


@pytest.mark.parametrize(
    ("target", "bound"),
    [(b"/events", True), (b"/sse", False), (b"/events?x=1", False), (b"/%65vents", True)],
)
def test_only_the_stream_at_its_path_and_without_a_query_makes_a_session(target, bound):
    async def main():
        async with core(Mcp(), function(Affinity.MCP_SSE, sse_path="/events")) as c, stream(c, target):
            [instance] = c.scheduler.instances()
            assert instance.sessions == ({"s1"} if bound else set())

    asyncio.run(main())


def test_a_client_that_leaves_before_its_session_is_made_holds_no_place():
    async def main():
        async with core(mcp := Mcp(), replace(function(Affinity.MCP_STREAMABLE), instance_concurrency=5)) as c:
            await post(c, target=b"/other")
            [instance] = c.scheduler.instances()
            mcp.go_on.clear()
            call = asyncio.create_task(post(c))
            await c.until(lambda _: started(c) == 2)
            assert len(instance.sessions) == 1
            call.cancel()
            await asyncio.wait([call])
            assert instance.sessions == set()
            mcp.go_on.set()

    asyncio.run(main())
