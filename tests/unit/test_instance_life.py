"""An instance's life around its invocations: freeze, thaw, hooks, its end and the reasons for it."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec.structs import replace

from emulator.model.errors import SandboxError
from emulator.model.events import HookEnded, InstanceMoved, InvocationStarted, Notice
from emulator.model.function import Api, Hook, Isolation, Revision
from emulator.model.invocation import FunctionError
from emulator.model.launch import Exit
from emulator.model.lifecycle import State, StopReason
from emulator.model.provision import Provision
from emulator.scheduler import scheduler
from tests.support.core import HELLO, core
from tests.support.fake_walls import FakeReply, FakeRequest, echo


def run(coroutine):
    return asyncio.run(coroutine)


def test_an_idle_instance_freezes_and_thaws_for_the_next_request():
    async def main():
        async with core(freeze=True, freeze_after=0.01) as c:
            await c.invoke(b"1")
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is State.FROZEN)
            assert (await c.invoke(b"2")).body == b"2"
            assert c.walls.made[0].calls[:2] == ["freeze", "thaw"]
            assert len(c.walls.made) == 1

    run(main())


def test_a_frozen_instance_is_reclaimed_after_keep_alive_and_thawed_to_stop():
    async def main():
        # Where both are due at once, as on a machine that is busy, it need not freeze first.
        async with core(freeze=True, freeze_after=0.005, keep_alive=3600.0) as c:
            await c.invoke()
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is State.FROZEN)
            c.later(3600.0)
            gone = await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is State.STOPPED)
            assert gone.reason == "idle"
            assert c.walls.made[0].calls[:3] == ["freeze", "thaw", "stop"]

    run(main())


def test_an_initializer_runs_once_before_the_first_request():
    async def main():
        seen = []

        async def program(request: FakeRequest) -> FakeReply:
            seen.append(request.control)
            return FakeReply(request.body)

        async with core(program, replace(HELLO, initializer=Hook("index.init", 1.0))) as c:
            await c.invoke(b"a")
            await c.invoke(b"b")
            assert seen == ["/initialize", "/invoke", "/invoke"]
            ended = await c.until(lambda e: isinstance(e, HookEnded))
            assert (ended.hook, ended.detail) == ("Initialize", "")

    run(main())


@pytest.mark.parametrize("failure", ["answer", "hang", "die"])
def test_a_failed_initializer_is_the_outcome_and_the_next_request_tries_again(failure):
    async def main():
        broken = True

        async def program(request: FakeRequest) -> FakeReply:
            if request.control == "/initialize" and broken:
                if failure == "answer":
                    return FakeReply(b'{"errorMessage":"no model"}', 404, {"x-fc-status": "404"})
                if failure == "die":
                    request.sandbox.die(Exit(1))
                await asyncio.sleep(60)
            return FakeReply(request.body)

        async with core(program, replace(HELLO, initializer=Hook("index.init", 0.1))) as c:
            outcome = await c.invoke(b"a")
            assert outcome.error is FunctionError.INITIALIZATION
            assert "errorMessage" in json.loads(outcome.body)
            broken = False
            assert (await c.invoke(b"a")).body == b"a"

    run(main())


def test_pre_stop_runs_before_the_end_and_pre_freeze_before_a_freeze():
    async def main():
        seen = []

        async def program(request: FakeRequest) -> FakeReply:
            seen.append(request.control)
            return FakeReply()

        function = replace(HELLO, api=Api.FC2, pre_stop=Hook("index.stop", 1.0), pre_freeze=Hook("index.freeze", 1.0))
        async with core(program, function, freeze=True, freeze_after=0.005) as c:
            await c.invoke()
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is State.FROZEN)
        assert seen == ["/invoke", "/pre-freeze", "/pre-stop"]

    run(main())


def test_request_exclusive_instances_serve_once():
    async def main():
        async with core(echo, replace(HELLO, isolation=Isolation.REQUEST_EXCLUSIVE)) as c:
            first, second = await c.invoke(b"1"), await c.invoke(b"2")
            assert first.instance_id != second.instance_id

    run(main())


def test_provisioned_instances_are_there_before_the_first_request():
    async def main():
        async with core(echo, replace(HELLO, provisioned=Provision(2))) as c:
            c.scheduler.deploy(c.revision)
            for n in range(2):
                await c.until(
                    lambda e, n=n: isinstance(e, InstanceMoved) and e.after is State.IDLE and len(c.walls.made) > n
                )
            outcome = await c.invoke(b"x")
            assert not outcome.report.cold
            assert len(c.walls.made) == 2

    run(main())


def test_a_withdrawn_revision_finishes_what_runs():
    async def main():
        opened = asyncio.Event()

        async def wait(request: FakeRequest) -> FakeReply:
            await opened.wait()
            return FakeReply(b"old")

        async with core(wait) as c:
            call = asyncio.create_task(c.invoke())
            await c.until(lambda e: isinstance(e, InvocationStarted))
            c.scheduler.withdraw(c.revision)
            opened.set()
            assert (await call).body == b"old"
            gone = await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is State.STOPPED)
            assert gone.reason == "replaced"

    run(main())


@pytest.mark.parametrize("runtime", ["python3.10", "custom.debian10"])
def test_an_idle_instance_of_old_code_leaves_its_place_at_once(runtime, monkeypatch):
    """It ends when the new one has answered, but for a program of the user's, which may hold a port."""
    monkeypatch.setattr(scheduler, "LINGER_SECONDS", 3600.0)

    async def main():
        async with core(function=replace(HELLO, runtime=runtime), max_instances=1, queue_timeout=600.0) as c:
            await c.invoke(b"old")
            (old,) = c.scheduler.instances()
            c.scheduler.withdraw(c.revision)
            lingers = old.state is State.IDLE
            new = Revision(c.revision.function, 2, "e" * 8, None)
            assert (await asyncio.wait_for(c.invoke(b"new", revision=new), 20)).body == b"new"
            assert lingers is (runtime == "python3.10")
            assert old.state is State.IDLE if lingers else old.ended

    run(main())


def test_an_idle_instance_of_old_code_ends():
    async def main():
        async with core() as c:
            await c.invoke(b"old")
            c.scheduler.withdraw(c.revision)
            gone = await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is State.STOPPED)
            assert gone.reason == "replaced"

    run(main())


@pytest.mark.parametrize("freeze_after", [0.0, 0.01])
def test_an_instance_is_frozen_after_every_request_not_only_the_first(freeze_after):
    async def main():
        async with core(freeze=True, freeze_after=freeze_after) as c:
            for count in (1, 2, 3):
                await c.invoke(b"again")
                await c.until(lambda _, n=count: len(frozen(c.seen)) == n)
            assert len(c.walls.made) == 1

    asyncio.run(main())


def test_an_instance_that_is_retired_while_it_freezes_hears_its_pre_stop():
    async def main():
        seen = []

        async def program(request: FakeRequest) -> FakeReply:
            seen.append(request.control)
            return FakeReply()

        async with core(program, replace(HELLO, pre_stop=Hook("index.stop", 600.0))) as c:
            await c.invoke()
            [instance] = c.scheduler.instances()
            sandbox, freezing = c.walls.made[0], asyncio.Event()
            really = sandbox.freeze

            async def slowly():
                await really()
                freezing.set()
                await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is State.STOPPING)

            sandbox.freeze = slowly
            freeze = asyncio.create_task(instance.freeze(None, None))
            await freezing.wait()
            instance.retired(StopReason.IDLE)
            await freeze
            await c.until(lambda e: isinstance(e, InstanceMoved) and e.after is State.STOPPED)
            assert seen == ["/invoke", "/pre-stop"]

    run(main())


def test_an_instance_that_can_not_be_frozen_is_told_and_still_serves():
    async def refuse():
        raise SandboxError("The instance could not be frozen", "start with --no-freeze")

    async def main():
        async with core(freeze=True, freeze_after=3600.0) as c:
            await c.invoke(b"first")
            c.walls.made[0].freeze = refuse
            await c.scheduler.instances()[0].freeze(None, None)
            told = await c.until(lambda event: isinstance(event, Notice))
            assert "could not be frozen" in told.message
            assert (await c.invoke(b"second")).body == b"second"
            assert len(c.walls.made) == 1
            assert frozen(c.seen) == []

    run(main())


def frozen(events):
    return [event for event in events if isinstance(event, InstanceMoved) and event.after is State.FROZEN]
