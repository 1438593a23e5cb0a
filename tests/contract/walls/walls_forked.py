"""Walls whose instances are forked from templates, as one more implementer of the same protocol.

What a scenario starts as `python -c PROGRAM` is run here by a fork of a template that was made for it alone. Every
second instance is parked before it is started.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from walls_entry import is_program, with_entry

from emulator.model.launch import Launch
from emulator.sandbox.base import LogSink, Walls

FORKED = "-forked"
HOME = Path(__file__).parents[3] / "runtimes" / "python"
NOTHING = {"known": [], "modules": [], "path": [], "editable": [], "allowed": [], "environ": {}, "debugger": ""}

# In place of the bootstrap's own entry point: a fork goes on with a program in place of serving handlers.
ENTRY = f"""
import sys
HOME = {str(HOME)!r}
sys.path.insert(0, HOME)
from _fclocal_bootstrap import template
sys.path.remove(HOME)
template.run()
"""


class ForkedWalls:
    """See above. What is no program of Python's on a unix socket is spawned, as ever. `apart` are processes around
    templates, which no scenario counts."""

    def __init__(self, walls: Walls, place: Path) -> None:
        self._walls = walls
        self._place = place
        self._numbers = itertools.count()
        self.apart: set[int] = set()
        self.rung = walls.rung + FORKED

    def __getattr__(self, name: str) -> Any:
        return getattr(self._walls, name)

    def sandbox(self, name: str, launch: Launch, logs: LogSink) -> Any:
        if not is_program(launch) or self._refused(launch):
            return self._walls.sandbox(name, launch, logs)
        launch = with_entry(self._walls, self._place, name, launch, ENTRY, HOME)
        return _Forked(self, name, launch, logs, parked=next(self._numbers) % 2 == 1)

    def _refused(self, launch: Launch) -> bool:
        """What no template can be made of: a folder that holds the emulator's own, and a mount below one that can not
        be written there."""
        below_code = any(mount.target.startswith("/code/") for mount in launch.mounts)
        return below_code or any(self._place in mount.sources for mount in launch.mounts)


class _Forked:
    """An instance with its template, both of which end with it."""

    def __init__(self, walls: ForkedWalls, name: str, launch: Launch, logs: LogSink, *, parked: bool) -> None:
        self._walls, self._token = walls, launch.argv[-1]
        self._template = walls.template(f"t-{name}", launch, NOTHING)
        self._inner = self._template.sandbox(name, launch, logs)
        self._launch, self._logs = launch, logs
        self._parked = parked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def sibling(self, name: str) -> Any:
        """Another one of the same template."""
        return self._template.sandbox(name, self._launch, self._logs)

    async def start(self) -> None:
        from walls_box import pids_with  # which knows these walls

        await self._template.start()
        self._walls.apart.update(pids_with(self._token))
        if self._parked:
            await self._inner.park()
        await self._inner.start()

    async def aclose(self) -> None:
        await self._inner.aclose()
        await self._template.aclose()
