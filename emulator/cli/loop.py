"""Runs the asynchronous part of a command."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], on_fault: Callable[[BaseException], None] | None = None) -> T:
    """Run `main` to its end, on uvloop where that exists. `on_fault` is told what nobody else was there to catch."""
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

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.get_loop().set_exception_handler(caught)
        return runner.run(main)
