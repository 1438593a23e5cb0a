"""An invocation that is begun by callbacks: what comes to a plain end, and what goes on in its context."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from emulator.model.errors import BadResponse, FCError, ResourceExhausted
from emulator.model.events import InstanceMoved, InvocationEnded, InvocationRejected, InvocationStarted
from emulator.model.invocation import Cause, FunctionError
from emulator.model.launch import Exit
from emulator.model.limits import RESPONSE_HEADER_BYTES
from tests.support.core import HELLO, Core, core
from tests.support.fake_walls import FakeReply, FakeRequest


class Held:
    """A program that answers at once, or, when the event is `hold`, when it is told to."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()

    async def __call__(self, request: FakeRequest) -> FakeReply:
        if request.body == b"hold":
            await self.gate.wait()
        if request.body == b"fail":
            return FakeReply(b'{"errorMessage":"no"}', headers={"x-fc-status": "404"})
        if request.body == b"stream":
            return FakeReply(raw=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n")
        if request.body == b"heads":
            return FakeReply(headers={"x-big": "x" * RESPONSE_HEADER_BYTES})
        return FakeReply(request.body)


class Begun:
    """One call that was begun, and what came of it: an outcome, or `None` where its context has to be entered."""

    def __init__(self, c: Core, body: bytes) -> None:
        self.call = c.dispatcher.invoke(c.call(body))
        self.told = asyncio.get_running_loop().create_future()
        self.began = self.call.start(self.told.set_result, lambda call: self.told.set_result(None))

    async def outcome(self):
        async with asyncio.timeout(10):
            return await self.told


@contextlib.asynccontextmanager
async def warm(**limits: object) -> AsyncIterator[tuple[Core, Held]]:
    program = Held()
    async with core(program, **limits) as c:
        await c.invoke(b"warm up")
        yield c, program
        program.gate.set()


def run(coroutine):
    return asyncio.run(coroutine)


def test_an_answer_that_comes_whole_needs_nothing_else():
    async def main():
        async with warm() as (c, _):
            begun = Begun(c, b"one")
            assert begun.began
            outcome = await begun.outcome()
            assert (outcome.status, outcome.body, outcome.error) == (200, b"one", None)
            assert outcome.report.duration_ms > 0 and not outcome.report.cold
            ended = [e for e in c.reader.take() if isinstance(e, InvocationEnded)]
            assert [e.request_id for e in ended][-1] == begun.call.invocation.request_id
            assert [i.in_flight for i in c.scheduler.instances()] == [0]

    run(main())


def test_the_function_s_own_failure_is_an_outcome():
    async def main():
        async with warm() as (c, _):
            outcome = await Begun(c, b"fail").outcome()
            assert (outcome.error, outcome.cause) == (FunctionError.UNHANDLED, Cause.RAISED)

    run(main())


def test_without_an_instance_nothing_is_begun():
    async def main():
        async with core() as c:
            begun = Begun(c, b"cold")
            assert not begun.began and not begun.told.done()
            assert not [e for e in c.reader.take() if isinstance(e, InvocationStarted)]
            async with begun.call as outcome:
                assert outcome.body == b"cold"

    run(main())


def test_those_that_wait_are_served_in_their_order():
    async def main():
        async with warm(max_instances=1, queue_timeout=10.0) as (c, program):
            first, *rest = [Begun(c, body) for body in (b"hold", b"2", b"3", b"4")]
            assert first.began and all(it.began for it in rest)
            assert not any(it.told.done() for it in (first, *rest))
            program.gate.set()
            assert [(await it.outcome()).body for it in (first, *rest)] == [b"hold", b"2", b"3", b"4"]

    run(main())


def test_those_that_may_not_wait_are_refused():
    async def main():
        async with warm(max_instances=1) as (c, _):
            Begun(c, b"hold")
            second = Begun(c, b"2")
            assert second.began and await second.outcome() is None
            with pytest.raises(ResourceExhausted):
                async with second.call:
                    pass

    run(main())


def test_a_stream_goes_on_in_the_context():
    async def main():
        async with warm() as (c, _):
            begun = Begun(c, b"stream")
            assert await begun.outcome() is None
            async with begun.call as outcome:
                assert outcome.status == 200
                assert await anext(outcome.body) == b"ab"
            ended = await c.until(lambda e: isinstance(e, InvocationEnded) and e.status == 499)
            assert ended.request_id == begun.call.invocation.request_id

    run(main())


def test_an_instance_that_dies_is_a_failure_in_the_context():
    async def main():
        async with warm() as (c, _):
            begun = Begun(c, b"hold")
            [sandbox] = c.walls.made
            sandbox.die(Exit(3))
            assert await begun.outcome() is None
            async with begun.call as outcome:
                assert (outcome.error, outcome.cause) == (FunctionError.UNHANDLED, Cause.EXITED)
            assert (await c.invoke(b"next")).body == b"next"

    run(main())


def test_heads_that_are_too_large_are_refused_in_the_context():
    async def main():
        async with warm() as (c, _):
            begun = Begun(c, b"heads")
            assert await begun.outcome() is None
            with pytest.raises(BadResponse):
                async with begun.call:
                    pass
            ended = await c.until(lambda e: isinstance(e, InvocationEnded) and e.status == 502)
            assert ended.request_id == begun.call.invocation.request_id

    run(main())


def test_a_fault_of_ours_reaches_the_caller():
    async def main():
        async with warm() as (c, _):
            begun = Begun(c, b"one")
            [sandbox] = c.walls.made
            drain, sandbox.drain_logs = sandbox.drain_logs, None
            assert await begun.outcome() is None
            with pytest.raises(TypeError):
                async with begun.call:
                    pass
            sandbox.drain_logs = drain
            await begun.call.__aexit__(None, None, None)  # gives the instance back, so that the core can end

    run(main())


def test_a_fault_of_ours_does_not_reach_the_caller_whose_end_gave_the_instance():
    async def main():
        async with warm(max_instances=1, queue_timeout=60.0) as (c, program):
            first = Begun(c, b"hold")
            broken, last = Begun(c, b"broken"), Begun(c, b"last")
            # The head can not be made of this; it is made when the first caller's end gives the instance.
            broken.call.invocation = replace(broken.call.invocation, qualifier=None)
            program.gate.set()
            assert (await first.outcome()).body == b"hold"
            assert await broken.outcome() is None
            with pytest.raises(AttributeError):
                async with broken.call:
                    pass
            assert (await last.outcome()).body == b"last"
            assert [it.in_flight for it in c.scheduler.instances()] == [0]

    run(main())


def test_a_client_that_leaves_ends_it_at_once_and_the_instance_is_replaced():
    async def main():
        async with warm() as (c, _):
            begun = Begun(c, b"hold")
            begun.call.cancel()
            [ended] = [e for e in c.reader.take() if isinstance(e, InvocationEnded) and e.status == 499]
            assert ended.detail.startswith("Invocation canceled by client (duration: ")
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.reason == "canceled")
            assert (await c.invoke(b"next")).body == b"next"
            assert not begun.told.done(), "nobody is there to be told"

    run(main())


def test_a_client_that_leaves_while_it_waits_takes_no_instance():
    async def main():
        async with warm(max_instances=1, queue_timeout=10.0) as (c, program):
            first, second, third = Begun(c, b"hold"), Begun(c, b"2"), Begun(c, b"3")
            second.call.cancel()
            [rejected] = [e for e in c.reader.take() if isinstance(e, InvocationRejected)]
            assert (rejected.status, rejected.request_id) == (499, second.call.invocation.request_id)
            program.gate.set()
            assert [(await it.outcome()).body for it in (first, third)] == [b"hold", b"3"]
            started = [e.request_id for e in c.reader.take() if isinstance(e, InvocationStarted)]
            assert second.call.invocation.request_id not in started and not second.told.done()

    run(main())


def test_a_deadline_is_an_outcome_of_the_context():
    async def main():
        program = Held()
        async with core(program, function=replace(HELLO, timeout=0.2)) as c:
            await c.invoke(b"warm up")
            begun = Begun(c, b"hold")
            assert await begun.outcome() is None
            async with begun.call as outcome:
                assert outcome.cause is Cause.TIMEOUT and b"Function timed out after" in outcome.body
            program.gate.set()

    run(main())


def test_a_stopping_emulator_refuses_those_that_wait():
    async def main():
        async with warm(max_instances=1, queue_timeout=10.0) as (c, program):
            first, second = Begun(c, b"hold"), Begun(c, b"2")
            closing = asyncio.create_task(c.scheduler.aclose())
            assert await second.outcome() is None
            with pytest.raises(FCError, match="stopping"):
                async with second.call:
                    pass
            program.gate.set()
            assert (await first.outcome()).body == b"hold"
            await closing

    run(main())
