"""Runs the asynchronous part of a command."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from emulator.cli.ended import Ended, deafen, heard

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], on_fault: Callable[[BaseException], None] | None = None) -> T:
    """Run `main` to its end, on uvloop where that exists. `on_fault` is told what nobody else was there to catch.

    SIGTERM and SIGHUP cancel `main`, as Ctrl-C does, and raise `Ended`.
    """
    with contextlib.closing(main):  # it was never begun where we are ended before
        return _run(main, on_fault)


def _run(main: Coroutine[Any, Any, T], on_fault: Callable[[BaseException], None] | None) -> T:
    factory = None
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop

    def caught(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        fault = context.get("exception")
        if on_fault is None or fault is None:
            loop.default_exception_handler(context)
        else:
            on_fault(fault)

    seen: list[int] = []
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.get_loop().set_exception_handler(caught)
        try:
            return runner.run(_cancelled_by_signals(main, seen))
        except asyncio.CancelledError:
            if seen:
                raise Ended(seen[0]) from None
            raise


async def _cancelled_by_signals(main: Coroutine[Any, Any, T], seen: list[int]) -> T:
    """`main`, which is cancelled by the first signal; its number is noted in `seen`."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    before = {number: signal.getsignal(number) for number in heard()}

    def end(number: int) -> None:
        if not seen:
            seen.append(number)
            task.cancel()

    for number in before:
        loop.add_signal_handler(number, end, number)
    try:
        return await main
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
        if seen:
            deafen()
