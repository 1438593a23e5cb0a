"""What is running in an instance when it is frozen: told, since Function Compute stops it as well (docs/freeze.md).

An invocation costs nothing for it: it is done when an instance has idled and is about to be frozen, and first it is
only looked whether there is something else than at the freeze before. The program is asked while the instance is still
idle, so an invocation that comes meanwhile does not wait.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from msgspec import Struct, field

from emulator.instance.control import ControlError
from emulator.instance.instance import Instance
from emulator.model.inner_events import FreezeReport
from emulator.model.launch import TcpEndpoint
from emulator.model.lifecycle import State
from emulator.sandbox import left
from emulator.sandbox.left import Left, Scene, Traces

# A program that has not answered until then is frozen all the same. It may have a tenth of a core.
ASK_SECONDS = 3.0
# Of Python, the main thread and that of the control channel.
OWN_THREADS = 2
# Lines, process ids and ports: the same thing is told once, wherever it stands.
_NUMBERS = re.compile(r"\d+")
CODE_PATH, CODE = "FC_FUNC_CODE_PATH", "/code"


class _Watched(Struct):
    """`due`: there may be something else than was told, which is `before`; `told` is what the program said of it."""

    main: int | None = None
    seen: Traces | None = None
    told: dict[str, Any] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    due: bool = False
    looking: bool = False


class FreezeWatch:
    """For the nursery, which freezes."""

    def __init__(self) -> None:
        self._watched: dict[str, _Watched] = {}

    def forget(self, instance: Instance) -> None:
        self._watched.pop(instance.id, None)

    async def before(self, instance: Instance) -> bool:
        """To be called while it is idle: a look at it; False where one is under way already."""
        watched = self._watched.setdefault(instance.id, _Watched())
        if instance.debugged:
            return True
        if watched.looking:
            return False
        watched.looking = True
        try:
            await instance.telling.wait()  # which our own thread does
            found = left.traces(_scene(instance, watched))
            if found != watched.seen:
                watched.seen, watched.due = found, bool(found.pids)
                watched.told = await _asked(instance) if _may_say_more(instance, found) else {}
        finally:
            watched.looking = False
        return True

    async def after(self, instance: Instance) -> None:
        """It stands still: tell what was running."""
        watched = self._watched.get(instance.id)
        if watched is None or not watched.due or instance.state is not State.FROZEN:
            return
        since = instance.since
        found = await asyncio.to_thread(left.look, _scene(instance, watched))
        if instance.state is not State.FROZEN or instance.since != since:
            return  # a request was quicker: it is told at the next freeze
        watched.due = False
        report = _report(instance, found, watched.told)
        parts = (*report.threads, *report.timers, *report.sockets, *report.processes)
        before, watched.before = watched.before, tuple(sorted(_NUMBERS.sub("", part) for part in parts))
        if parts and watched.before != before:
            instance.journal.append(report)


async def _asked(instance: Instance) -> dict[str, Any]:
    """What the program says of itself; where that is nothing, what is seen from outside is told all the same."""
    if instance.control is None:
        return {}
    try:
        code = instance.sandbox.launch.env.get(CODE_PATH, CODE)
        return await instance.control.ask("left", ASK_SECONDS, code=code)
    except ControlError:
        return {}


def _may_say_more(instance: Instance, found: Traces) -> bool:
    """Threads of Python are seen from outside; what keeps Node.js's loop alive is not."""
    control = instance.control
    if control is None or instance.revision.function.is_custom:
        return False
    return control.language != "python" or len(found.threads) > OWN_THREADS


def _scene(instance: Instance, watched: _Watched) -> Scene:
    launch, pids = instance.sandbox.launch, tuple(instance.sandbox.members())
    if instance.control is not None and not instance.revision.function.is_custom and watched.main not in pids:
        watched.main = left.main_of(pids, instance.control.pid)
    own = {launch.debug_port or 0, launch.endpoint.port if isinstance(launch.endpoint, TcpEndpoint) else 0}
    return Scene(pids, watched.main, instance.born_at, frozenset(own))


def _report(instance: Instance, found: Left, told: dict[str, Any]) -> FreezeReport:
    """What the program has said may be anything."""
    threads = [thread for thread in _listed(told, "threads") if isinstance(thread, dict)]
    timers = [timer for timer in _listed(told, "timers") if isinstance(timer, str)]
    return FreezeReport(
        instance.journal.now(),
        instance.id,
        instance.function,
        tuple(f"{it.get('name')} at {it.get('at')} in {it.get('function')}" for it in threads),
        (*timers, *found.timers),
        found.sockets,
        found.processes,
    )


def _listed(told: dict[str, Any], name: str) -> list[Any]:
    found = told.get(name)
    return found if isinstance(found, list) else []
