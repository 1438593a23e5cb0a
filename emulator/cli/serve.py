"""Runs an emulator in the foreground: first screen, log, and an orderly or a quick end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import time
from collections.abc import Callable, Iterable

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

MOST_DESCRIPTORS = 65_536


async def serve(emulator: RunningEmulator, settings: Settings, terminal: Terminal) -> int:
    """Start, print, wait for a signal, stop. Returns the exit code. Raises `UserError` where it can not start."""
    reader = emulator.journal.subscribe()
    _raise_descriptor_limit()
    with StopSignals() as signals:
        if not await _started(emulator, signals):
            return signals.exit_code
        follower = Follower(reader, _text(emulator, settings, terminal), terminal.write)
        try:
            terminal.write(_ready_lines(emulator) if settings.json else _screen(emulator, terminal))
            functions = tuple(served(function) for function in emulator.project.functions)
            write_endpoint(settings.state_dir, this_endpoint(emulator.url, emulator.port, functions, emulator.token))
            follower.start()
            _settle_memory()
            await signals.first.wait()
            follower.flush()  # what it knows is a moment old, and an invocation may just have begun
            terminal.tell(_stop_line(follower.running))
        finally:
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


async def _started(emulator: RunningEmulator, signals: StopSignals) -> bool:
    """Enter the emulator; a signal before it is ready ends the start."""
    starting = asyncio.ensure_future(emulator.__aenter__())
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


def _raise_descriptor_limit() -> None:
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
    names = [str(function.name) for function in emulator.project.functions]
    return LogRenderer(terminal.paint, names, settings.log_level).batch


def _screen(emulator: RunningEmulator, terminal: Terminal) -> str:
    refused, rung, paint = emulator.refused, emulator.walls.rung, terminal.paint
    functions = [
        Shown(f, served(f).url(emulator.port), "not deployed" if str(f.name) in refused else rung)
        for f in emulator.project.functions
    ]
    lines = first_screen(emulator.url, emulator.project, functions, paint, terminal.width)
    lines += problem_lines(emulator.project.problems, emulator.findings, paint)
    return "\n".join([*lines, "", ""])


def _ready_lines(emulator: RunningEmulator) -> str:
    """The first lines of the stream: where the emulator is, and a wall clock time to read `at` by."""
    now = emulator.journal.now()
    names = [str(function.name) for function in emulator.project.functions]
    ready = {"at": now, "time": time.time(), "url": emulator.url, "port": emulator.port, "functions": names}
    problems = [Notice(now, "warning", str(problem)) for problem in emulator.project.problems]
    return to_line("ready", ready) + to_lines(problems)


def _stop_line(running: int) -> str:
    what = f"{running} invocation{'s' if running != 1 else ''} running" if running else "nothing is running"
    return f"\nStopping: {what}. Ctrl-C again ends everything at once."
