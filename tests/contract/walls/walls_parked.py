"""Walls whose instances were parked as spares, as one more implementer of the same protocol.

What a scenario starts as `python -c PROGRAM` is here a program that waits for its order, as the bootstrap of Node.js
does (docs/bootstrap-protocol.md), and then goes on as PROGRAM.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace
from walls_box import BOUND, INHERITED
from walls_entry import is_program, with_entry

from emulator.model.launch import Launch
from emulator.sandbox.base import LogSink, Walls

PARKED, HELD = "-parked", "-held"
# Parked with it, and to be forgotten.
EARLIER = {"EARLIER": "of a spare"}

ENTRY = """
import json, os, socket, sys
LISTEN
caller, _ = listening.accept()
caller.sendall(b"p")
with caller.makefile("rb") as source:
    order = json.load(source)
for name in order["without"]:
    del os.environ[name]
os.environ.update(order["env"])
os.chdir(order["cwd"])
caller.sendall(b"k")
caller.close()
os.dup2(listening.detach(), 3)
"""


class ParkedWalls:
    """See above. What does not listen on a unix socket is spawned, as ever."""

    inherits = True  # of its entry

    def __init__(self, walls: Walls, place: Path) -> None:
        self._walls = walls
        self._place = place
        self.rung = walls.rung + PARKED

    def __getattr__(self, name: str) -> Any:
        return getattr(self._walls, name)

    def sandbox(self, name: str, launch: Launch, logs: LogSink) -> Any:
        if not is_program(launch):
            return self._walls.sandbox(name, launch, logs)
        listen = f"listening = {INHERITED if self._walls.inherits else BOUND}"
        launch = with_entry(self._walls, self._place, name, launch, ENTRY.replace("LISTEN", listen))
        earlier = replace(launch, env={**launch.env, **EARLIER})
        return _Parked(self._walls.spares(lambda _: earlier), name, launch, logs)


class HeldWalls:
    """Walls that were built ahead of time, in which a program is started when they are taken."""

    def __init__(self, walls: Walls) -> None:
        self._walls = walls
        self.rung = walls.rung + HELD

    def __getattr__(self, name: str) -> Any:
        return getattr(self._walls, name)

    def sandbox(self, name: str, launch: Launch, logs: LogSink) -> Any:
        earlier = replace(launch, env={**launch.env, **EARLIER})
        return _Parked(self._walls.built_ahead(lambda _: earlier), name, launch, logs)


class _Parked:
    def __init__(self, spares: Any, name: str, launch: Launch, logs: LogSink) -> None:
        self._inner = spares._spare(name)
        self._launch, self._logs = launch, logs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @property
    def launch(self) -> Launch:
        return self._launch

    async def start(self) -> None:
        await self._inner.park()
        self._inner.adopt(self._launch, self._logs)
        await self._inner.start()
