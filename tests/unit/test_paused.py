"""An instance that a debugger has paused: its clocks stand, and are exact again afterwards."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from emulator.instance.clock import Timing
from emulator.model.events import (
    InstanceMoved,
    InstancePaused,
    InstanceResumed,
)
from emulator.model.function import Hook
from emulator.model.invocation import Cause, FunctionError
from emulator.model.launch import Exit
from emulator.model.lifecycle import State
from emulator.model.program import CustomRuntime, HealthCheck
from tests.support.core import HELLO, core
from tests.support.fake_walls import FakeReply, FakeRequest
from tests.support.paused import HOUR, Gate, begun, state_of


def test_a_function_outlives_its_timeout_in_the_debugger_and_not_behind_it():
    async def main():
        async with core(gate := Gate(), replace(HELLO, timeout=0.1)) as c:
            call, instance = await begun(c)
            instance.pause()
            # Another one, in an instance of its own, runs into the timeout: so the first's is over as well.
            assert (await c.invoke(b"stuck")).cause is Cause.TIMEOUT
            c.clock.ahead += HOUR
            assert not call.done()
            instance.resume()
            gate.open.set()
            outcome = await call
            assert (outcome.body, outcome.error) == (b"first", None)
            assert outcome.report.paused_ms >= HOUR * 1000
            assert outcome.report.duration_ms < 60_000
            resumed = await c.until(lambda e: isinstance(e, InstanceResumed))
            assert resumed.paused_ms >= HOUR * 1000

    asyncio.run(main())


def test_time_goes_on_when_neither_of_two_debuggers_holds_it():
    async def main():
        async with core(gate := Gate()) as c:
            call, instance = await begun(c)
            instance.pause("dap")
            instance.pause("node")
            instance.pause("node")
            instance.resume("node")
            assert instance.paused
            instance.resume("dap")
            assert not instance.paused
            gate.open.set()
            assert (await call).body == b"first"
            instance.pause("node")
            c.walls.made[0].die(Exit(1))
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is State.STOPPED)
            assert not instance.paused

    asyncio.run(main())


def test_what_runs_on_after_a_pause_is_ended_by_what_is_left_of_its_timeout():
    async def main():
        async with core(Gate(), replace(HELLO, timeout=0.1), timing=Timing(grace=0.05)) as c:
            call, instance = await begun(c)
            instance.pause()
            await c.invoke(b"stuck")
            c.clock.ahead += HOUR
            instance.resume()
            outcome = await call
            assert (outcome.cause, outcome.error) == (Cause.TIMEOUT, FunctionError.UNHANDLED)
            assert (await state_of(c, State.STOPPED, instance.id)).reason == "timeout"

    asyncio.run(main())


def test_real_time_kills_at_a_breakpoint():
    async def main():
        async with core(Gate(), replace(HELLO, timeout=0.1), timing=Timing("real")) as c:
            call, instance = await begun(c)
            instance.pause()
            assert (await call).cause is Cause.TIMEOUT
            assert (await state_of(c, State.STOPPED, instance.id)).reason == "timeout"

    asyncio.run(main())


def test_a_timeout_is_shown_by_the_debugger_first_and_kills_when_the_user_goes_on():
    async def main():
        async with core(Gate(), replace(HELLO, timeout=0.1)) as c:
            call, instance = await begun(c)
            asked = asyncio.Event()

            def pause_it() -> bool:
                asked.set()
                instance.pause()
                return True

            instance.clock.stop_first = pause_it
            await asked.wait()
            c.later(HOUR)
            assert not call.done() and instance.state is State.BUSY
            instance.resume()
            assert (await call).cause is Cause.TIMEOUT
            assert (await state_of(c, State.STOPPED, instance.id)).reason == "timeout"

    asyncio.run(main())


@pytest.mark.parametrize("dies", [True, False])
def test_a_paused_instance_that_dies_or_is_ended_with_the_emulator_leaves_nothing(dies):
    async def main():
        async with core(Gate(), replace(HELLO, timeout=0.2), timing=Timing(grace=0.05)) as c:
            call, instance = await begun(c)
            instance.pause()
            if dies:
                c.walls.made[0].die(Exit(None, 9))
                outcome = await call
                assert outcome.cause is Cause.EXITED
                assert b"Process exited unexpectedly" in outcome.body
                await state_of(c, State.STOPPED, instance.id)
                assert not instance.paused
        # At the end of the emulator what is left of its time is all that it has.
        if not dies:
            assert (await call).cause is Cause.TIMEOUT

    asyncio.run(main())


def test_when_the_emulator_stops_what_was_paused_may_still_finish():
    async def main():
        async with core(gate := Gate()) as c:
            call, instance = await begun(c)
            instance.pause()
            c.scheduler.end_pauses()
            assert not instance.paused
            instance.pause()
            assert not instance.paused
            gate.open.set()
            assert (await call).body == b"first"

    asyncio.run(main())


def test_an_initializer_outlives_its_timeout_in_the_debugger():
    async def main():
        gate = Gate()
        async with core(gate, replace(HELLO, initializer=Hook("index.init", 0.1))) as c:
            first = asyncio.create_task(c.invoke(b"quick"))
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is State.INITIALIZING)
            [instance] = c.scheduler.instances()
            instance.pause()
            second = asyncio.create_task(c.invoke(b"quick"))
            # The second's instance, begun later and not paused, runs into the timeout: who has waited longest is told.
            assert (await first).error is FunctionError.INITIALIZATION
            assert instance.state is State.INITIALIZING
            instance.resume()
            gate.open.set()
            assert (await second).instance_id == instance.id

    asyncio.run(main())


def test_a_health_check_says_nothing_about_a_paused_instance():
    async def main():
        gate, asked = Gate(), asyncio.Event()

        async def program(request: FakeRequest) -> FakeReply:
            if request.target == "/health" and request.sandbox.calls:
                asked.set()
                await asyncio.sleep(600)
            return FakeReply() if request.target == "/health" else await gate(request)

        check = HealthCheck("/health", period=0.01, timeout=0.05, failure_threshold=1)
        function = replace(HELLO, runtime="custom.debian10", custom_runtime=CustomRuntime(health_check=check))
        async with core(program, function, timing=Timing(grace=0.0)) as c:
            call, instance = await begun(c)
            c.walls.made[0].calls.append("busy")
            await asked.wait()
            instance.pause()
            c.clock.ahead += HOUR
            instance.resume()
            # The check that was under way has failed since, and says as little; the next one counts.
            await c.until(lambda e: isinstance(e, InstanceResumed))
            asked.clear()
            await asked.wait()
            assert instance.healthy
            gate.open.set()
            await call

    asyncio.run(main())


def test_pauses_are_told_once_each():
    async def main():
        async with core() as c:
            await c.invoke()
            [instance] = c.scheduler.instances()
            for _ in range(2):
                instance.pause()
                instance.pause()
                instance.resume()
                instance.resume()
            told = [e for e in c.reader.take() if isinstance(e, InstancePaused | InstanceResumed)]
            assert [type(it) for it in told] == [InstancePaused, InstanceResumed] * 2

    asyncio.run(main())
