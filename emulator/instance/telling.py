"""What an instance still has to tell of its start before it may be frozen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

# It comes right behind the first answer, from a busy machine later: who is frozen before has told nothing.
PATIENCE_SECONDS = 3.0


class Telling:
    """Nothing is waited for until `expect` or `ask` is called.

    Our bootstraps tell by themselves. A program does not know which answer was its first, so it is asked, by `how`.
    """

    def __init__(self) -> None:
        self._told: asyncio.Future[None] | None = None
        self._how: Callable[[], Awaitable[None]] | None = None

    @property
    def is_asked(self) -> bool:
        return self._how is not None

    def expect(self) -> None:
        self._told = asyncio.get_running_loop().create_future()

    def ask(self, how: Callable[[], Awaitable[None]]) -> None:
        self._how = how

    def done(self) -> None:
        if self._told is not None and not self._told.done():
            self._told.set_result(None)

    async def wait(self) -> None:
        """Returns when it was told, or will not be any more; at once from the second time on."""
        told, self._told = self._told, None
        how, self._how = self._how, None
        if told is not None:
            await asyncio.wait([told], timeout=PATIENCE_SECONDS)
        if how is not None:
            await how()
