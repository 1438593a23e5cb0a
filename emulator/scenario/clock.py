"""The platform's clock, shown and moved ahead: what `fclocal clock` asks of a running emulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import to_builtins

from emulator.dispatch.engine import Engine
from emulator.model.durations import LONGEST
from emulator.model.errors import UserError
from emulator.scenario.happenings import Advanced, happenings

# So many events of one advance are looked at, which is more than the platform does in a year.
MOST_EVENTS = 1_000_000


async def advance(engine: Engine, seconds: float) -> Advanced:
    """Move it ahead, and return when what fell due has been done. By nothing, it is only shown."""
    platform = engine.scheduler.platform
    if not seconds:
        return Advanced(0.0, platform.ahead, platform.time(), 0.0, [])
    reader = engine.journal.subscribe(MOST_EVENTS)
    since, sessions = engine.journal.now(), engine.dispatcher.live_sessions
    try:
        await platform.advance(seconds)
        happened = happenings(reader.take(), since)
    finally:
        reader.close()
    took_ms = (engine.journal.now() - since) * 1000
    ended = max(0, sessions - engine.dispatcher.live_sessions)
    return Advanced(seconds, platform.ahead, platform.time(), took_ms, happened, ended)


async def asked_of_clock(engine: Engine, asked: Mapping[str, Any]) -> Any:
    """The action `clock`: `{"advance": SECONDS}`, or nothing to be shown it. The answer has the fields of `Advanced`.
    Raises `UserError`."""
    seconds = asked.get("advance", 0.0)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST:
        raise UserError(f"the clock can not be moved ahead by {seconds!r}", "give seconds, no more than a year of them")
    return to_builtins(await advance(engine, float(seconds)))
