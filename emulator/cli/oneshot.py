"""An invocation with an emulator of its own, which starts before it and ends after it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from msgspec.structs import replace

from emulator.cli.call import FUNCTION_FAILED, Call, call
from emulator.cli.engine import RunningEmulator
from emulator.cli.follow import Follower
from emulator.cli.render import LogRenderer
from emulator.cli.served import Served
from emulator.cli.terminal import Terminal
from emulator.model import headers as h
from emulator.model.task import TaskState


class JournalLog:
    """The log of a call to our own emulator: all that the journal has until now."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    def show(self, headers: Mapping[str, str]) -> None:
        self._follower.flush()


async def invoke_alone(
    emulator: RunningEmulator, function: Served, wanted: Call, terminal: Terminal, level: str
) -> int:
    """Start, invoke, stop; the log goes to stderr. Returns the exit code."""
    renderer = LogRenderer(terminal.paint_err, [function.name], level, hints=terminal.is_heard)
    follower = Follower(emulator.journal.subscribe(), renderer.batch, terminal.write_err)
    follower.start()
    try:
        async with emulator:
            try:
                wanted = replace(wanted, token=emulator.token)
                return await _invoke(emulator.port, function, wanted, follower, terminal)
            except asyncio.CancelledError:
                await emulator.kill()
                raise
    finally:
        await follower.stop()


async def _invoke(port: int, function: Served, wanted: Call, follower: Follower, terminal: Terminal) -> int:
    code, reply = await call(port, function, wanted, JournalLog(follower), terminal)
    task_id = reply.headers.get(h.ASYNC_TASK_ID) or reply.headers.get(h.STATEFUL_ASYNC_ID)
    if not wanted.is_async or not task_id:
        return code
    # Leaving now would end what was only just accepted.
    state = await follower.task_end(task_id)
    terminal.tell(f"Task {task_id}: {state}")
    return 0 if state == TaskState.SUCCEEDED.value else FUNCTION_FAILED
