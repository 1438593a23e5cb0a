"""Whether files are still as they were, asked each time that one more instance comes from a template.

A template of scikit-learn has loaded some 2000 files, and to look at each takes 4 ms: as much as everything else that a
forked start needs. So they are guarded where the system tells of changes (reload/guards.py), and looked at when it did.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

# So many files are looked at on the event loop.
FEW_FILES = 64


class Guard(Protocol):
    """Knows of everything that happens to some files. `happened`: since it was asked last; `is_over`: it may miss what
    comes, since folders are others now."""

    @property
    def is_over(self) -> bool: ...

    def happened(self) -> bool: ...

    def close(self) -> None: ...


# For these files; None where changes are not told. May take milliseconds.
Guarding = Callable[[Sequence[str]], Guard | None]
Own = Callable[[Coroutine[Any, Any, bool]], asyncio.Task[bool]]
Stamp = tuple[int, int, int]


def stamps(paths: Sequence[str]) -> tuple[Stamp, ...]:
    """What is gone has one too."""
    return tuple(map(_stamp, paths))


class Unchanged:
    """Files, or folders with their names, that are to stay as they are from now on. Whoever made it owns its tasks, and
    closes it."""

    def __init__(self, paths: Sequence[str], guarding: Guarding | None, own: Own) -> None:
        self._paths = paths
        self._own = own
        self._stamps = stamps(paths)
        self._guarding = guarding
        # A look replaces it on a thread.
        self._guard: Guard | None = None
        self._guards = threading.Lock()
        self._closed = False
        # How often something had happened, and how much of that has been looked at since.
        self._doubts, self._settled = 0, -1
        # The look that those who come now can wait for; one at a time.
        self._look: asyncio.Task[bool] | None = None
        self._looking = asyncio.Lock()

    def guard(self) -> None:
        """Be quicker, soon."""
        if len(self._paths) > FEW_FILES:
            self._begin()

    async def holds(self) -> bool:
        if len(self._paths) <= FEW_FILES:
            return stamps(self._paths) == self._stamps
        return self._is_quiet() or await asyncio.shield(self._look or self._begin())

    def close(self) -> None:
        self._closed = True
        self._replace(None)

    def _is_quiet(self) -> bool:
        with self._guards:
            if self._guard is None:
                return False
            self._doubts += self._guard.happened()
        return self._doubts == self._settled

    def _begin(self) -> asyncio.Task[bool]:
        self._look = self._own(self._looked())
        return self._look

    async def _looked(self) -> bool:
        """In a crowd many wait for the same look: it has to begin after they came, and takes milliseconds of CPU."""
        async with self._looking:
            self._look = None
            doubts = self._doubts
            held = await asyncio.to_thread(self._look_at_all)
            if held:
                self._settled = doubts
            return held

    def _look_at_all(self) -> bool:
        # Who guards them is there before the look, so that nothing comes between.
        guard = self._guard
        if self._guarding is not None and (guard is None or guard.is_over):
            guard = self._guarding(self._paths)
            if guard is None:
                self._guarding = None  # what can not be had is not tried again and again
            self._replace(guard)
        return stamps(self._paths) == self._stamps

    def _replace(self, guard: Guard | None) -> None:
        with self._guards:
            for it in (self._guard, guard if self._closed else None):
                if it is not None:
                    it.close()
            self._guard = None if self._closed else guard


def _stamp(path: str) -> Stamp:
    try:
        found = os.stat(path)  # noqa: PTH116 - a thousand of them
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_ctime_ns)
