"""When instances are frozen: after the last request, each time anew."""

from __future__ import annotations

import asyncio

import pytest

from emulator.model.events import InstanceMoved
from emulator.model.lifecycle import State
from tests.support.core import core


@pytest.mark.parametrize("freeze_after", [0.0, 0.01])
def test_an_instance_is_frozen_after_every_request_not_only_the_first(freeze_after):
    async def main():
        async with core(freeze=True, freeze_after=freeze_after) as c:
            for count in (1, 2, 3):
                await c.invoke(b"again")
                await c.until(lambda _, n=count: len(frozen(c.seen)) == n)
            assert len(c.walls.made) == 1

    asyncio.run(main())


def frozen(events):
    return [event for event in events if isinstance(event, InstanceMoved) and event.after is State.FROZEN]
