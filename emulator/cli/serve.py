"""Runs an emulator in the foreground: first screen, log, and an orderly or a quick end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import time
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from emulator.cli.endpoint import remove_endpoint, this_endpoint, write_endpoint
from emulator.cli.engine import RunningEmulator
from emulator.cli.follow import Follower
from emulator.cli.jsonlines import to_line, to_lines
from emulator.cli.render import LogRenderer
from emulator.cli.screen import Shown, first_screen, problem_lines
from emulator.cli.served import served
from emulator.cli.signals import StopSignals
from emulator.cli.terminal import Terminal
from emulator.config.settings import Settings
from emulator.model.events import Event, Notice
from emulator.model.function import Project

MOST_DESCRIPTORS = 65_536


async def serve(emulator: RunningEmulator, settings: Settings, terminal: Terminal) -> int:
    """Start, print, wait for a signal, stop. Returns the exit code. Raises `UserError` where it can not start."""
    reader = emulator.journal.subscribe()
    raise_descriptor_limit()
    with StopSignals() as signals:
        follower = Follower(reader, _text(emulator, settings, terminal), terminal.write)
        if not await _started(emulator, signals):
            return signals.exit_code
        settling = None
        try:
            terminal.write(_ready_lines(emulator) if settings.json else _screen(emulator, settings, terminal))
            tell_endpoint(emulator, settings)
            emulator.on_project(lambda _: tell_endpoint(emulator, settings))
            follower.start()
            if emulator.deployments.pending:
                settling = asyncio.create_task(_tell_pending(emulator, settings))
            _settle_memory()
            await signals.first.wait()
            follower.flush()  # what it knows is a moment old, and an invocation may just have begun
            terminal.tell(_stop_line(follower.running))
        finally:
            if settling is not None:
                settling.cancel()
                await asyncio.wait([settling])
            await _leave(emulator, signals)
            remove_endpoint(settings.state_dir, os.getpid())
            dropped = await follower.stop()
        if follower.failed is not None:
            terminal.tell(f"fclocal: the log was not printed to its end: {follower.failed.strerror}")
        if dropped:
            terminal.tell(f"fclocal: {dropped} events were not printed: they came faster than the terminal took them")
        at_once = signals.second.is_set()
        terminal.tell("Ended at once." if at_once else "Stopped.")
        return signals.exit_code if at_once else 0


def tell_endpoint(emulator: RunningEmulator, settings: Settings) -> None:
    """Let other commands find the emulator."""
    functions = tuple(served(function) for function in emulator.project.functions)
    endpoint = this_endpoint(emulator.url, emulator.port, functions, emulator.token, emulator.debug_port)
    write_endpoint(settings.state_dir, replace(endpoint, pending=tuple(emulator.deployments.pending)))


async def _tell_pending(emulator: RunningEmulator, settings: Settings) -> None:
    """Functions whose images are built or pulled answer later than the others, one after the other."""
    tell_endpoint(emulator, settings)  # one may have settled since it was told
    while emulator.deployments.pending:
        await emulator.deployments.settled()
        tell_endpoint(emulator, settings)


async def _start(emulator: RunningEmulator) -> None:
    await emulator.__aenter__()
    try:
        await emulator.open_debug_port()
    except BaseException:
        await emulator.__aexit__(None, None, None)
        raise


async def _started(emulator: RunningEmulator, signals: StopSignals) -> bool:
    """Enter the emulator; a signal before it is ready ends the start."""
    starting = asyncio.ensure_future(_start(emulator))
    stopping = asyncio.ensure_future(signals.first.wait())
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not starting.done():
            starting.cancel()
    try:
        await starting
    except asyncio.CancelledError:
        return False
    return True


def raise_descriptor_limit() -> None:
    """Shells give 1024 for the sake of select(), which nobody here uses; each client takes one, each instance some.

    Instances are given a limit of their own.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS refuses more than it has
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _settle_memory() -> None:
    """What the start made stays to the end, so the garbage collector need not go through it again and again."""
    gc.collect()
    gc.freeze()


async def _leave(emulator: RunningEmulator, signals: StopSignals) -> None:
    """Leave the emulator, which finishes what runs; a second signal ends that at once."""
    leaving = asyncio.ensure_future(emulator.__aexit__(None, None, None))
    second = asyncio.ensure_future(signals.second.wait())
    try:
        await asyncio.wait((leaving, second), return_when=asyncio.FIRST_COMPLETED)
        if not leaving.done():
            await emulator.kill()
    finally:
        second.cancel()
        await leaving


def _text(emulator: RunningEmulator, settings: Settings, terminal: Terminal) -> Callable[[Iterable[Event]], str]:
    if settings.json:
        return to_lines
    names = _names(emulator.project)
    renderer = LogRenderer(terminal.paint, names, settings.log_level, hints=terminal.is_interactive)
    emulator.on_project(lambda project: renderer.know(_names(project)))
    return renderer.batch


def _names(project: Project) -> list[str]:
    return [str(function.name) for function in project.functions]


def _screen(emulator: RunningEmulator, settings: Settings, terminal: Terminal) -> str:
    refused, walls, paint = emulator.refused, emulator.walls, terminal.paint
    ports = (emulator.debug_port, emulator.debug_node_port)
    words = {**dict.fromkeys(emulator.deployments.pending, "image pending"), **dict.fromkeys(refused, "not deployed")}
    functions = [
        Shown(f, served(f).url(emulator.port), words.get(str(f.name)) or walls.rung(f.walls))
        for f in emulator.project.functions
    ]
    lines = first_screen(
        emulator.url,
        ports,
        emulator.project,
        functions,
        paint,
        terminal.width,
        console=settings.console,
        timers_since=time.time() if settings.timers else None,
    )
    lines += problem_lines(emulator.project.problems, emulator.findings, paint)
    return "\n".join([*lines, "", ""])


def _ready_lines(emulator: RunningEmulator) -> str:
    """The first lines of the stream: where the emulator is, and a wall clock time to read `at` by."""
    now = emulator.journal.now()
    names = _names(emulator.project)
    ready = {"at": now, "time": time.time(), "url": emulator.url, "port": emulator.port, "functions": names}
    ready["debug_port"] = emulator.debug_port
    ready["debug_node_port"] = emulator.debug_node_port
    ready["pending"] = list(emulator.deployments.pending)
    problems = [Notice(now, "warning", str(problem)) for problem in emulator.project.problems]
    return to_line("ready", ready) + to_lines(problems)


def _stop_line(running: int) -> str:
    what = f"{running} invocation{'s' if running != 1 else ''} running" if running else "nothing is running"
    return f"\nStopping: {what}. Ctrl-C again ends everything at once."
