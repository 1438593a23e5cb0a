"""Runs build steps so that nothing of them outlives us, however we end."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from emulator.model.function import BuildStep, Function
from emulator.runtime.build import LineSink, run_build_steps
from emulator.runtime.interpreters import Interpreters
from emulator.runtime.spec import RuntimeSpec
from emulator.sandbox.reaper import Reaper
from emulator.sandbox.remains import MARK


class _Guard(Struct, frozen=True):
    """See `runtime.build.Guard`."""

    folder: Path
    mark: Mapping[str, str]
    reaper: Reaper

    def watch(self, session: int) -> None:
        self.reaper.watch(session)


async def run_guarded(
    function: Function,
    steps: Sequence[BuildStep],
    spec: RuntimeSpec | None,
    interpreters: Interpreters,
    sink: LineSink,
) -> None:
    """`run_build_steps` with a reaper of its own. Raises `UserError`; cancelled, it ends what runs."""
    with tempfile.TemporaryDirectory(prefix="fclocal-build-") as name:
        folder = Path(name)
        reaper = Reaper(asyncio.get_running_loop(), folder.name, (), (folder,))
        try:
            mark, _, value = f"{MARK}{folder.name}/build".partition("=")
            guard = _Guard(folder, {mark: value}, reaper)
            await run_build_steps(function, steps, spec, interpreters, sink, guard)
        finally:
            await reaper.aclose()
