"""Folders for code that is only there to be compared: removed by whoever made them, else by the next one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from emulator.coldstart.store import FOLDER

_PREFIX = "tree-"
_LOCK = ".lock"


@contextlib.contextmanager
def scratch_folder(state_dir: Path) -> Iterator[Path]:
    """A new folder that is there until the context is left. What killed processes left is removed before."""
    base = state_dir / FOLDER
    base.mkdir(parents=True, exist_ok=True)
    remove_left(state_dir)
    folder = base / f"{_PREFIX}{secrets.token_hex(6)}"
    lock = folder.with_suffix(_LOCK)
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Released by the kernel when we are gone, whatever ended us.
        fcntl.flock(fd, fcntl.LOCK_EX)
        folder.mkdir()
        yield folder
    finally:
        with uninterrupted():
            _remove(folder, lock)
            os.close(fd)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """What would end us waits until this is left: half of a removal is of no use to anybody."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def remove_left(state_dir: Path) -> list[Path]:
    """Remove the folders whose owners are gone; returns them."""
    gone = []
    for lock in sorted((state_dir / FOLDER).glob(f"{_PREFIX}*{_LOCK}")):
        fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            gone.append(lock.with_suffix(""))
            _remove(lock.with_suffix(""), lock)
        finally:
            os.close(fd)
    return gone


def _remove(folder: Path, lock: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.unlink(missing_ok=True)
