"""Folders that archives were unpacked into, one for each content, kept from run to run until nobody uses them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

# What a folder's name begins with while it is not whole
PARTIAL = ".new-"
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_DISCARDED = ".old-"
# An archive of 2 GB is unpacked in less; what is older was left by an emulator that was killed.
_PARTIAL_SECONDS = 3600.0


class Unpacked:
    """Holds what it gave out, by a lock that ends with the process: several emulators may share the folders."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._held: dict[str, int] = {}

    def folder(self, digest: str, unpack: Callable[[Path], None]) -> Path:
        """The folder for this content, made by `unpack` where it is not there yet."""
        path = self._root / digest
        while digest not in self._held:
            if not path.is_dir():
                unpack(path)
            with contextlib.suppress(FileNotFoundError):  # a neighbour has just discarded it
                self._hold(path)
        return path

    def _hold(self, path: Path) -> None:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH)
            # It may have been discarded between the two: then the name means another folder, or none.
            if os.path.samestat(os.fstat(lock), path.stat()):
                self._held[path.name] = lock
                return
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)

    def prune(self) -> None:
        """Remove what nobody holds. Whatever has another name was not made here and stays."""
        if not self._root.is_dir() or self._root.is_symlink():
            return
        for path in [*self._root.iterdir()]:
            if path.name in self._held or path.is_symlink() or not path.is_dir():
                continue
            if _DIGEST.match(path.name):
                _discard(path)
            elif path.name.startswith(_DISCARDED) or (path.name.startswith(PARTIAL) and _age(path) > _PARTIAL_SECONDS):
                shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        for lock in self._held.values():
            os.close(lock)
        self._held.clear()


def _discard(path: Path) -> None:
    """Remove a folder unless somebody holds it. It is renamed first: nobody may find half of it."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        gone = path.with_name(f"{_DISCARDED}{secrets.token_hex(4)}")
        path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
    except OSError:
        return  # in use, or not ours to remove
    finally:
        os.close(lock)


def _age(path: Path) -> float:
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime
    return 0.0
