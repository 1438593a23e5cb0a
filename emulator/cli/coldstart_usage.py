"""What an event uses of all that is imported: one more run, by an instance that watches itself and is not timed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from msgspec.structs import replace

from emulator.cli.coldstart_run import Laboratory, Side
from emulator.coldstart.evidence import Usage
from emulator.coldstart.experiment import Ask, RunFailed


async def used_in(side: Side, ask: Ask, tell: Callable[[str], None]) -> Usage | None:
    """None where the function's runtime does not know, or the run failed, as it may where events are not repeatable."""
    if not side.project.functions[0].runtime.startswith("python3"):
        return None
    watched = replace(side, settings=dataclasses.replace(side.settings, trace_usage=True))
    try:
        async with Laboratory([watched], ask, tell) as laboratory:
            run = await laboratory.benches[0].run()
    except RunFailed:
        return None
    return Usage(frozenset(run.used), frozenset(run.unused)) if run.used or run.unused else None
