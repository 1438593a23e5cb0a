"""A start that is broken off while bubblewrap builds walls, and its inner process does not follow the outer one yet."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from walls_box import PYTHON, Box, pids_with

from emulator.model.errors import SandboxError
from emulator.sandbox.ladder import choose_walls
from tests.support.slow_bwrap import install_slow_bwrap

pytestmark = [
    pytest.mark.isolation,
    pytest.mark.skipif(not Path(PYTHON).exists(), reason=f"{PYTHON} is missing"),
]
# From the first moments of a start to where its program runs.
MOMENTS_MS = range(0, 60, 4)


async def much_else_to_do() -> None:
    while True:
        time.sleep(0.004)
        await asyncio.sleep(0)


@pytest.mark.parametrize("limits", [True, False])
def test_nothing_is_left_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: bool) -> None:
    install_slow_bwrap(tmp_path / "slow")
    monkeypatch.setenv("PATH", f"{tmp_path / 'slow'}{os.pathsep}{os.environ['PATH']}")

    async def main() -> None:
        try:
            walls = await choose_walls("bwrap", tmp_path / "state", strict=False, limits=limits)
        except SandboxError as error:
            pytest.skip(str(error))
        try:
            for moment_ms in MOMENTS_MS:
                made = Box(walls, tmp_path)
                starting = asyncio.ensure_future(made.sandbox.start())
                await asyncio.sleep(moment_ms / 1000)
                busy = asyncio.ensure_future(much_else_to_do())
                starting.cancel()
                await asyncio.wait([starting])
                await made.sandbox.aclose()
                busy.cancel()
                assert not pids_with(made.token), f"broken off after {moment_ms} ms"
        finally:
            await walls.aclose()

    asyncio.run(main())
