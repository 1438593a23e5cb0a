"""Python's byte code caches that would be taken for those of a file that has changed since.

A cache names the time of its source in whole seconds, and its size: of two saves within one second that are equally
long, the second one runs as the first (30 of 30 times). Python itself can not tell; who saw the save can.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from emulator.reload.tree import SKIPPED

CACHE = "__pycache__"
# How long after its source a cache may have been written by somebody who had read the source before its last change.
COMPILE_SECONDS = 2.0
UNCHECKED_HASH = 1
_WORDS = struct.Struct("<4xII")


def remove_stale(root: Path, names: Iterable[str]) -> None:
    """Remove the caches of these files of a code folder, which have changed, where Python would believe them."""
    for name in names:
        if name.endswith(".py"):
            _remove(root / name, 0.0)


def sweep(root: Path) -> None:
    """The same for all of a folder of which nobody knows what changed when: caches as old as their source, or nearly.

    Not among installed packages, which are compiled as soon as they are unpacked.
    """
    for folder, folders, files in os.walk(root):
        if any(name.endswith(".dist-info") for name in folders):
            folders.clear()
            continue
        cached = CACHE in folders or any(name.endswith(".pyc") for name in files)
        folders[:] = [name for name in folders if name not in SKIPPED]
        for name in files if cached else ():
            if name.endswith(".py"):
                _remove(Path(folder, name), COMPILE_SECONDS)


def _remove(source: Path, within: float) -> None:
    """`within` seconds after its source a cache has to be written to be doubted; 0 doubts every one."""
    with contextlib.suppress(OSError):
        seen = source.stat()
        for cache in (*(source.parent / CACHE).glob(f"{source.stem}.*.pyc"), source.with_suffix(".pyc")):
            with contextlib.suppress(OSError, struct.error):
                with cache.open("rb") as stream:
                    words = _WORDS.unpack(stream.read(_WORDS.size))
                # In the second or the third word, by Python's version; other words are no times of our days.
                believed = int(seen.st_mtime) & 0xFFFF_FFFF in words or words[0] == UNCHECKED_HASH
                if believed and (not within or cache.stat().st_ctime < seen.st_ctime + within):
                    cache.unlink()
