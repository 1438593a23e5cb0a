"""Forced cold starts: an instance for one request, whatever else is there."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from emulator.model.events import InstanceMoved
from emulator.model.lifecycle import State
from emulator.model.provision import Provision
from tests.support.core import HELLO, core


async def alone(c) -> str:
    """The id of the instance that a forced cold start had; it is gone then."""
    revision = replace(c.revision, alone=True)
    async with c.dispatcher.invoke(c.call(b"x", revision=revision)) as outcome:
        pass
    there = [it for it in c.scheduler.instances() if it.revision is revision]
    assert [it.id for it in there] == [outcome.instance_id]
    await c.scheduler.ended(revision)
    assert revision not in [it.revision for it in c.scheduler.instances()]
    return outcome.instance_id


def test_it_has_an_instance_of_its_own_beside_one_that_is_idle():
    async def main():
        async with core() as c:
            warm = await c.invoke()
            first, second = await alone(c), await alone(c)
            assert len({warm.instance_id, first, second}) == 3
            assert (await c.invoke()).instance_id == warm.instance_id

    asyncio.run(main())


def test_its_instance_is_not_frozen_and_none_is_provisioned_for_it():
    async def main():
        function = replace(HELLO, provisioned=Provision(2), on_demand=False)
        async with core(function=function, freeze=True, freeze_after=0.0) as c:
            revision = replace(c.revision, alone=True)
            async with c.dispatcher.invoke(c.call(b"x", revision=revision)):
                pass
            await asyncio.sleep(0.05)  # long past the moment at which another one would be frozen
            [instance] = c.scheduler.instances()
            assert instance.state is State.IDLE and not instance.provisioned
            await c.scheduler.ended(revision)

    asyncio.run(main())


def test_the_end_is_waited_for_and_orderly():
    async def main():
        async with core() as c:
            instance_id = await alone(c)
            moves = [e.after for e in c.reader.take() if isinstance(e, InstanceMoved) and e.instance_id == instance_id]
            assert moves[-2:] == [State.STOPPING, State.STOPPED]
            assert "aclose" in c.walls.made[-1].calls
            await c.scheduler.ended(replace(c.revision, alone=True))  # of one that never ran

    asyncio.run(main())
