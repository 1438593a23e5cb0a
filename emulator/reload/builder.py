"""Runs the `build` commands of `.fclocal.yaml` when sources change: one at a time, and the latest wins."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, field

from emulator.model.errors import UserError
from emulator.model.function import Function, Place

# A build is run again for what changed while it ran, but not for ever.
MOST_ROUNDS = 3
LINES_TOLD = 20

# Runs one command for a function; each line that it writes is handed over. Raises `UserError`.
Run = Callable[[Function, str, Callable[[bytes], None]], Coroutine[Any, Any, None]]


class Sources(Protocol):
    """The sources of one command."""

    @property
    def stirred(self) -> asyncio.Event:
        """Set when something has changed."""
        ...

    def changed(self) -> set[str]:
        """What changed since it was asked last."""
        ...

    async def quiet(self) -> None:
        """Returns when nothing has changed for a moment."""
        ...


class Built(Struct, frozen=True):
    """What came of a command: `error` is empty where it did what it should, `output` the end of what it wrote, `place`
    what the error is about."""

    seconds: float
    error: str = ""
    output: str = ""
    place: Place | None = None


class Product(Struct):
    """What a command is known to read and to write: paths by which changes while it runs are told apart."""

    edited: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)

    @property
    def kinds(self) -> set[str]:
        """The endings of what somebody edits: no product is taken for one that has the same."""
        return {Path(path).suffix for path in self.edited}


class Builder:
    """The commands, and what they are known to write. A command that several functions name is run once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._products: dict[str, Product] = {}

    def is_source(self, command: str, path: str) -> bool:
        """False for what the command itself was seen to write."""
        return path not in self._product(command).written

    async def build(self, command: str, function: Function, edited: set[str], sources: Sources) -> Built:
        """Run a command until what it made is made of the sources as they are.

        A source that changes while it runs ends it, and it begins anew. `edited` changed before.

        Of other files that change meanwhile nobody knows whether they were edited or made: it is run once more for
        them, and what changes again is a product from then on, unless it looks like what is edited.
        """
        product = self._product(command)
        product.edited |= edited
        loop = asyncio.get_running_loop()
        began, doubted = loop.time(), set[str]()
        for _ in range(MOST_ROUNDS):
            seen: set[str] = set()
            error, output = await self._latest(function, command, product, sources, seen)
            if error is not None:
                return Built(loop.time() - began, error.message, output, error.place)
            found = (seen | sources.changed()) - product.written
            product.written |= {path for path in found & doubted if Path(path).suffix not in product.kinds}
            doubted = found - product.written
            if not doubted:
                break
        return Built(loop.time() - began)

    def _product(self, command: str) -> Product:
        return self._products.setdefault(command, Product())

    async def _latest(
        self, function: Function, command: str, product: Product, sources: Sources, seen: set[str]
    ) -> tuple[UserError | None, str]:
        """Run it, and anew whenever somebody edits what it reads; what else changes is added to `seen`. The error, and
        the end of the output."""
        restarts: Counter[str] = Counter()
        while True:
            lines: deque[bytes] = deque(maxlen=LINES_TOLD)
            running = asyncio.ensure_future(self._run(function, command, lines.append))
            try:
                while not await _done(running, sources.stirred):
                    new = sources.changed()
                    seen |= new
                    if again := new & product.edited:
                        restarts.update(again)
                        # What changes with each run is no edit, whoever it was that changed it first.
                        product.edited -= {path for path in again if restarts[path] >= MOST_ROUNDS}
                        break
                else:
                    return await _error_of(running), b"\n".join(lines).decode("utf-8", "replace")
            finally:
                running.cancel()
                await asyncio.wait([running])
            await sources.quiet()
            # The next run reads what was changed until now.
            sources.changed()
            seen.clear()


async def _done(running: asyncio.Future[None], stirred: asyncio.Event) -> bool:
    """Whether it has ended; false where something stirred before."""
    stirring = asyncio.ensure_future(stirred.wait())
    try:
        await asyncio.wait((running, stirring), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stirring.cancel()
    stirred.clear()
    return running.done()


async def _error_of(running: asyncio.Future[None]) -> UserError | None:
    try:
        await running
    except UserError as error:
        return error
    return None
