"""What is to be debugged: the running emulator of the project, or one that lives as long as the debugger."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from msgspec import Struct

from emulator.cli.context import Workplace
from emulator.cli.endpoint import read_endpoint, remove_endpoint
from emulator.cli.served import Served, served
from emulator.model.function import Project


class Debuggee(Struct, frozen=True):
    """An emulator: where editors attach, and how its functions are called. `own` tells that it ends with us."""

    host: str
    debug_port: int
    port: int
    token: str
    functions: tuple[Served, ...]
    own: bool

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


def running(place: Workplace) -> Debuggee | None:
    """The emulator that runs already."""
    endpoint = read_endpoint(place.settings.state_dir)
    if endpoint is None:
        return None
    return Debuggee("127.0.0.1", endpoint.debug_port, endpoint.port, endpoint.token, endpoint.functions, own=False)


@asynccontextmanager
async def own_emulator(place: Workplace, project: Project, write: Callable[[str], None]) -> AsyncIterator[Debuggee]:
    """One that starts now, is found by other commands too, and ends with this context. `write` gets its log."""
    # A command that debugs a running emulator needs none of it.
    from emulator.cli.engine import open_emulator
    from emulator.cli.follow import Follower
    from emulator.cli.render import LogRenderer
    from emulator.cli.serve import tell_endpoint

    settings = place.settings
    emulator = open_emulator(settings, project, whole=True)
    renderer = LogRenderer(place.terminal.paint, [str(f.name) for f in project.functions], settings.log_level)
    follower = Follower(emulator.journal.subscribe(), renderer.batch, write)
    follower.start()
    functions = tuple(served(function) for function in project.functions)
    try:
        async with emulator:
            try:
                await emulator.open_debug_port()
                tell_endpoint(emulator, settings)
                emulator.on_project(lambda _: tell_endpoint(emulator, settings))
                for problem in project.problems:
                    write(place.terminal.paint("yellow", f"! {problem}") + "\n")
                write(f"An emulator runs for this session at {emulator.url}\n")
                yield Debuggee("127.0.0.1", emulator.debug_port, emulator.port, emulator.token, functions, own=True)
            except asyncio.CancelledError:
                await emulator.kill()
                raise
            finally:
                remove_endpoint(settings.state_dir, os.getpid())
    finally:
        await follower.stop()
