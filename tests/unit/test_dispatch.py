"""An invocation's way from the dispatcher to an instance and back."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec.structs import replace

from emulator.instance.exchange import StreamBroken
from emulator.model.errors import BadResponse, ClientClosedRequest, ResourceExhausted
from emulator.model.events import InstanceMoved, InvocationEnded, InvocationStarted
from emulator.model.function import FunctionName, Revision
from emulator.model.invocation import Cause, FunctionError, Kind
from emulator.model.launch import Exit
from emulator.model.lifecycle import State
from emulator.scheduler.views import Limits
from tests.support.core import HELLO, core
from tests.support.fake_walls import FakeReply, FakeRequest


def run(coroutine):
    return asyncio.run(coroutine)


def test_the_first_invocation_is_a_cold_start_and_the_second_is_not():
    async def main():
        async with core() as c:
            first, second = await c.invoke(b"one"), await c.invoke(b"two")
            assert (first.body, second.body) == (b"one", b"two")
            assert first.report.cold and not second.report.cold
            assert first.instance_id == second.instance_id
            assert len(c.walls.made) == 1

    run(main())


def test_an_invocation_waited_from_its_arrival_to_the_moment_that_is_told():
    """However much later each look at the clock is: by these two, its way through the emulator is put together."""

    async def main():
        async with core() as c:
            looked = c.journal.now

            def later() -> float:
                c.clock.ahead += 1.0
                return looked()

            c.journal.now = later
            call = c.call()
            arrived = looked()
            invoking = c.dispatcher.invoke(call)
            async with invoking as outcome:
                pass
            started = await c.until(lambda e: isinstance(e, InvocationStarted))
            assert started.at - outcome.report.queue_ms / 1000 == pytest.approx(arrived + 1.0, abs=0.5)

    run(main())


def test_concurrent_requests_make_instances_up_to_the_limit():
    async def slow(request: FakeRequest) -> FakeReply:
        await asyncio.sleep(0.05)
        return FakeReply(request.body)

    async def main():
        async with core(slow, max_instances=3, queue_timeout=5.0) as c:
            outcomes = await asyncio.gather(*(c.invoke(b"%d" % n) for n in range(10)))
            assert sorted(it.body for it in outcomes) == [b"%d" % n for n in range(10)]
            assert len(c.walls.made) == 3

    run(main())


def test_a_birth_counts_once_against_the_limit():
    async def slow(request: FakeRequest) -> FakeReply:
        await asyncio.sleep(0.05)
        return FakeReply(request.body)

    async def main():
        async with core(slow, max_instances=2) as c:
            first = asyncio.create_task(c.invoke(b"one"))
            while not c.walls.made:
                await asyncio.sleep(0)
            assert c.scheduler.instances()[0].state is State.STARTING
            assert (await c.invoke(b"two")).body == b"two"
            assert (await first).body == b"one"

    run(main())


def test_a_request_waits_for_a_busy_instance_before_it_gets_its_own():
    async def main():
        at_work, finish = asyncio.Event(), asyncio.Event()

        async def work(request: FakeRequest) -> FakeReply:
            at_work.set()
            await finish.wait()
            return FakeReply(request.body)

        async with core(work, patience=60.0) as c:
            calls = [asyncio.create_task(c.invoke(b"%d" % n)) for n in range(20)]
            await at_work.wait()
            finish.set()
            assert [it.body for it in await asyncio.gather(*calls)] == [b"%d" % n for n in range(20)]
            late = len(c.walls.made)
        async with core(work, patience=0.0) as c:
            at_work.clear()
            finish.clear()
            calls = [asyncio.create_task(c.invoke(b"%d" % n)) for n in range(20)]
            await c.until(lambda _: len(c.walls.made) == 20)
            finish.set()
            await asyncio.gather(*calls)
        assert late <= Limits().births_at_once, "only those that were begun before one was busy"

    run(main())


def test_a_place_that_one_function_gives_up_is_another_s():
    async def main():
        finish = asyncio.Event()

        async def work(request: FakeRequest) -> FakeReply:
            if request.body == b"wait":
                await finish.wait()
            return FakeReply(request.body)

        async with core(work, max_instances=1, queue_timeout=600.0) as c:
            first = asyncio.create_task(c.invoke(b"wait"))
            await c.until(lambda e: isinstance(e, InvocationStarted))
            other = Revision(replace(HELLO, name=FunctionName("other")), 1, "f" * 8, None)
            second = asyncio.create_task(c.invoke(b"second", revision=other))
            await asyncio.sleep(0)
            c.scheduler.withdraw(c.revision)
            finish.set()
            assert (await first).body == b"wait"
            assert (await asyncio.wait_for(second, 20)).body == b"second"

    run(main())


def test_a_new_instance_takes_the_place_of_one_that_is_still_being_stopped():
    async def main():
        never, gone = asyncio.Event(), asyncio.Event()

        async def work(request: FakeRequest) -> FakeReply:
            if request.body == b"wait":
                await never.wait()
            return FakeReply(request.body)

        async with core(work, max_instances=1, queue_timeout=600.0) as c:
            first = asyncio.create_task(c.invoke(b"wait"))
            await c.until(lambda e: isinstance(e, InvocationStarted))
            old = c.walls.made[0]
            stop = old.stop

            async def stop_slowly(grace: float) -> Exit:
                await gone.wait()
                return await stop(grace)

            old.stop = stop_slowly
            second = asyncio.create_task(c.invoke(b"second"))
            await asyncio.sleep(0)
            first.cancel()
            assert (await asyncio.wait_for(second, 20)).body == b"second"
            assert not old.exited.done()
            gone.set()

    run(main())


def test_over_the_limit_without_a_queue_is_429():
    gate = asyncio.Event

    async def main():
        opened = gate()

        async def wait(request: FakeRequest) -> FakeReply:
            await opened.wait()
            return FakeReply(b"done")

        async with core(wait, max_instances=1) as c:
            first = asyncio.create_task(c.invoke())
            await c.until(lambda e: isinstance(e, InvocationStarted))
            with pytest.raises(ResourceExhausted) as refused:
                await c.invoke()
            assert refused.value.status == 429
            opened.set()
            assert (await first).body == b"done"

    run(main())


def test_instance_concurrency_fills_one_instance_before_the_next():
    async def main():
        opened = asyncio.Event()

        async def wait(request: FakeRequest) -> FakeReply:
            await opened.wait()
            return FakeReply()

        function = replace(HELLO, runtime="custom", instance_concurrency=5)
        async with core(wait, function) as c:
            c.walls.program = wait
            calls = [asyncio.create_task(c.invoke()) for _ in range(5)]
            for _ in range(5):
                await c.until(lambda e: isinstance(e, InvocationStarted))
            opened.set()
            await asyncio.gather(*calls)
            assert len(c.walls.made) == 1

    run(main())


def test_a_function_error_is_an_outcome():
    async def fail(request: FakeRequest) -> FakeReply:
        headers = {"x-fc-status": "404", "x-fc-error-type": "HandledInvocationError"}
        return FakeReply(b'{"errorMessage":"no"}', 404, headers)

    async def main():
        async with core(fail) as c:
            outcome = await c.invoke()
            assert outcome.error is FunctionError.HANDLED
            ended = await c.until(lambda e: isinstance(e, InvocationEnded))
            assert ended.error == "HandledInvocationError"
            assert len(c.walls.made) == 1

    run(main())


def test_a_timeout_ends_the_request_and_its_instance():
    async def hang(request: FakeRequest) -> FakeReply:
        if request.body == b"hang":
            await asyncio.sleep(60)
        return FakeReply(request.body)

    async def main():
        async with core(hang, replace(HELLO, timeout=0.1)) as c:
            outcome = await c.invoke(b"hang")
            assert outcome.cause is Cause.TIMEOUT
            assert json.loads(outcome.body) == {
                "errorMessage": "Function timed out after 0.1 seconds (maxMemoryUsage: 10MB)"
            }
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.reason == "timeout" and e.after is State.STOPPED)
            assert (await c.invoke(b"next")).body == b"next"
            assert len(c.walls.made) == 2

    run(main())


@pytest.mark.parametrize(("exit_", "cause"), [(Exit(3), Cause.EXITED), (Exit(None, 9, oom=True), Cause.OOM)])
def test_a_process_that_dies_in_a_request_is_told_and_replaced(exit_, cause):
    async def die(request: FakeRequest) -> FakeReply:
        if request.body == b"die":
            request.sandbox.die(exit_)
            await asyncio.sleep(60)
        return FakeReply(request.body)

    async def main():
        async with core(die) as c:
            outcome = await c.invoke(b"die")
            assert outcome.error is FunctionError.UNHANDLED and outcome.cause is cause
            assert b"Process exited unexpectedly before completing request (duration: " in outcome.body
            assert (await c.invoke(b"next")).body == b"next"

    run(main())


def test_garbage_instead_of_http_ends_the_instance_and_not_us():
    async def garbage(request: FakeRequest) -> FakeReply:
        return FakeReply(raw=b"\x00\xff not http at all\r\n\r\n") if request.body else FakeReply(b"fine")

    async def main():
        async with core(garbage) as c:
            assert (await c.invoke(b"x")).error is FunctionError.UNHANDLED
            assert (await c.invoke()).body == b"fine"

    run(main())


def test_an_endless_head_is_cut():
    async def endless(request: FakeRequest) -> FakeReply:
        return FakeReply(raw=b"HTTP/1.1 200 OK\r\n" + b"x-filler: " + b"a" * 300_000)

    async def main():
        async with core(endless) as c:
            assert (await c.invoke(b"x")).error is FunctionError.UNHANDLED

    run(main())


def test_response_headers_above_8_kb_are_a_bad_response():
    async def big(request: FakeRequest) -> FakeReply:
        return FakeReply(b"", 200, {f"x-h{n}": "a" * 900 for n in range(10)})

    async def main():
        async with core(big) as c:
            with pytest.raises(BadResponse):
                await c.invoke(kind=Kind.HTTP, method=b"GET", target=b"/")

    run(main())


def test_a_large_body_is_streamed_both_ways():
    async def main():
        body = bytes(range(256)) * 8192

        async def pieces():
            for start in range(0, len(body), 50_000):
                yield body[start : start + 50_000]

        async with core() as c:
            async with c.dispatcher.invoke(replace(c.call(), body=pieces(), length=len(body))) as outcome:
                assert not isinstance(outcome.body, bytes)
                received = b"".join([piece async for piece in outcome.body])
            assert received == body
            async with c.dispatcher.invoke(replace(c.call(), body=pieces(), length=None)) as outcome:
                received = b"".join([piece async for piece in outcome.body])
            assert received == body

    run(main())


def test_a_stream_that_breaks_off_is_told_to_its_reader():
    async def breaks(request: FakeRequest) -> FakeReply:
        asyncio.get_running_loop().call_later(0.05, request.sandbox.die, Exit(1))
        return FakeReply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 1000)

    async def main():
        async with core(breaks) as c:
            async with c.dispatcher.invoke(c.call()) as outcome:
                with pytest.raises(StreamBroken):
                    async for _ in outcome.body:
                        pass
            ended = await c.until(lambda e: isinstance(e, InvocationEnded))
            assert "Process exited unexpectedly" in ended.detail

    run(main())


def test_a_client_that_leaves_cancels_and_the_instance_is_replaced():
    async def hang(request: FakeRequest) -> FakeReply:
        if request.body:
            await asyncio.sleep(60)
        return FakeReply(b"ok")

    async def main():
        async with core(hang) as c:
            call = c.dispatcher.invoke(c.call(b"hang"))

            async def enter():
                async with call:
                    pass

            task = asyncio.create_task(enter())
            await c.until(lambda e: isinstance(e, InvocationStarted))
            call.cancel()
            with pytest.raises(ClientClosedRequest):
                await task
            ended = await c.until(lambda e: isinstance(e, InvocationEnded))
            assert ended.status == 499 and ended.detail.startswith("Invocation canceled by client (duration: ")
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.reason == "canceled")
            assert (await c.invoke()).body == b"ok"

    run(main())


def test_two_hundred_at_once_nobody_fails():
    async def slow(request: FakeRequest) -> FakeReply:
        await asyncio.sleep(0.01)
        return FakeReply(request.body)

    async def main():
        async with core(slow) as c:
            outcomes = await asyncio.gather(*(c.invoke(b"%d" % n) for n in range(200)))
            assert sorted(int(it.body) for it in outcomes) == list(range(200))
            assert all(it.error is None for it in outcomes)

    run(main())


def test_a_fault_of_ours_does_not_keep_the_instance():
    async def main():
        async with core(max_instances=1) as c:
            await c.invoke(b"warm up")
            broken = replace(c.call(b"x"), qualifier=None)
            with pytest.raises(AttributeError):
                async with c.dispatcher.invoke(broken):
                    pass
            assert [it.in_flight for it in c.scheduler.instances()] == [0]
            assert (await c.invoke(b"next")).body == b"next"

    run(main())
