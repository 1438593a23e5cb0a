"""The end of the scheduler: whatever an instance is doing, nothing of it stays known."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.core import core


@pytest.mark.parametrize("turns", range(6))
def test_a_kill_at_any_moment_of_an_orderly_end_leaves_nothing(turns):
    """The second Ctrl-C: `turns` of the loop after the first, so that it meets every step of an instance's end."""

    async def main():
        async with core() as c:
            await asyncio.gather(c.invoke(b"one"), c.invoke(b"two"))
            leaving = asyncio.ensure_future(c.scheduler.aclose())
            for _ in range(turns):
                await asyncio.sleep(0)
            async with asyncio.timeout(20):
                await c.scheduler.kill()
                await leaving
            assert c.scheduler.instances() == []

    asyncio.run(main())
