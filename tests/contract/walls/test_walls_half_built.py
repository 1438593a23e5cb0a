"""A start that is broken off while bubblewrap waits to be let in: its inner process does not follow the outer one yet,
and is in no control group."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from walls_box import PYTHON, Box, pids_with

from emulator.model.errors import SandboxError
from emulator.sandbox import ladder
from tests.support.slow_bwrap import install_slow_bwrap

pytestmark = [
    pytest.mark.isolation,
    pytest.mark.skipif(not Path(PYTHON).exists(), reason=f"{PYTHON} is missing"),
]
# From the first moments of a start to where its walls stand.
MOMENTS_MS = range(0, 80, 10)
# Control groups are joined by `echo`, which on some machines takes the kernel this long.
SLOW_SH = """#!/bin/sh
shift
script=$1; shift
exec /bin/sh -c "echo() { sleep 0.2; command echo \\"\\$@\\"; }
$script" "$@"
"""


async def much_else_to_do() -> None:
    """Holds the loop up at each turn, as a busy machine does: bubblewrap is quicker than whoever breaks it off."""
    while True:
        time.sleep(0.002)
        await asyncio.sleep(0)


def test_what_was_ended_before_is_not_started(tmp_path: Path) -> None:
    async def main() -> None:
        walls = await ladder.choose_walls("auto", tmp_path / "state", strict=False, limits=False)
        try:
            made = Box(walls, tmp_path)
            await made.sandbox.aclose()
            with pytest.raises(SandboxError, match="was ended before it was started"):
                await made.sandbox.start()
            assert not pids_with(made.token)
        finally:
            await walls.aclose()

    asyncio.run(main())


def test_nothing_is_left_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_slow_bwrap(tmp_path / "slow")
    monkeypatch.setenv("PATH", f"{tmp_path / 'slow'}{os.pathsep}{os.environ['PATH']}")
    shell = tmp_path / "slow" / "sh"
    shell.write_text(SLOW_SH)
    shell.chmod(0o755)
    monkeypatch.setattr(ladder, "_sh", lambda: str(shell))

    async def main() -> None:
        try:
            walls = await ladder.choose_walls("bwrap", tmp_path / "state", strict=False, limits=True)
        except SandboxError as error:
            pytest.skip(str(error))
        try:
            for moment_ms in MOMENTS_MS:
                made = Box(walls, tmp_path)
                starting = asyncio.ensure_future(made.sandbox.start())
                await asyncio.sleep(moment_ms / 1000)
                assert not starting.done()
                busy = asyncio.ensure_future(much_else_to_do())
                starting.cancel()
                await asyncio.wait([starting])
                await made.sandbox.aclose()
                busy.cancel()
                assert not pids_with(made.token), f"broken off after {moment_ms} ms"
        finally:
            await walls.aclose()

    asyncio.run(main())
