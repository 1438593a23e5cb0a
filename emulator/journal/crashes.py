"""Faults of our own: what happened is kept in a file, since a traceback is of no use to whoever meets it."""

from __future__ import annotations

import contextlib
import os
import platform
import time
import traceback
from pathlib import Path

from emulator import __version__

SORRY = "Sorry, this is a fault of fclocal, not of your project."
# The same fault may come with every request.
_MOST_FILES = 20


class CrashFiles:
    """`crash-*.txt` in the state folder, one for each place where something went wrong."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._kept: dict[tuple[str, ...], Path] = {}

    def keep(self, fault: BaseException, doing: str) -> Path:
        """Write down what happened; returns where. `doing` must hold no secret. Raises `OSError`."""
        frames = traceback.extract_tb(fault.__traceback__)
        where = (type(fault).__name__, *(f"{frame.filename}:{frame.lineno}" for frame in frames[-1:]))
        known = self._kept.get(where)
        if known is not None or len(self._kept) >= _MOST_FILES:
            return known or [*self._kept.values()][-1]
        path = self._fresh()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", errors="backslashreplace") as f:
            f.write(report(fault, doing))
        self._kept[where] = path
        return path

    def _fresh(self) -> Path:
        name = f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
        path, number = self._state_dir / f"{name}.txt", 1
        while path.exists():
            number += 1
            path = self._state_dir / f"{name}-{number}.txt"
        return path

    def line(self, fault: BaseException, doing: str) -> str:
        """One line for whoever is concerned: that it is our fault, and where it is kept."""
        with contextlib.suppress(OSError):
            return f"{SORRY} What happened is kept in {self.keep(fault, doing)}; please report it with this file."
        return f"{SORRY} It could not be written down: {type(fault).__name__}"


def report(fault: BaseException, doing: str) -> str:
    """What is needed to find the fault."""
    about = f"fclocal {__version__}, Python {platform.python_version()}, {platform.platform()}"
    return f"{about}\n{doing}\n\n{''.join(traceback.format_exception(fault))}"
