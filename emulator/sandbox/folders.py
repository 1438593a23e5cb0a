"""Folders of one run of the emulator, and the removal of what a killed predecessor left."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from emulator.model.errors import SandboxError
from emulator.sandbox import disk, proctree, remains

# A unix socket's path holds 108 bytes; the rest is for `<instance>/w.sock`.
_LONGEST_SOCKET_FOLDER = 60
_FRESH_SECONDS = 60.0
_GROUPS_FILE = "cgroups"
_SOCKETS_FILE = "sockets"
_ENGINE_FILE = "engine"
_LOCK_FILE = "lock"


class RunFolders(Struct, frozen=True):
    """`root` is on a disk beside the project; `sockets` has a short path and lets nobody else in."""

    run: str
    root: Path
    sockets: Path
    lock: int

    @property
    def mark(self) -> str:
        """What the marks of all its instances begin with."""
        return f"{remains.MARK}{self.run}/"

    def instance(self, name: str) -> InstanceFolders:
        """Make the folders of one instance. Raises `OSError`."""
        return _made(InstanceFolders(self.root / name, self.sockets / name, self.run))

    def remember_groups(self, bases: Iterable[Path]) -> None:
        """Write down which control groups are ours, for whoever has to clean up after us."""
        (self.root / _GROUPS_FILE).write_text("".join(f"{base}\n" for base in bases))

    def remember_engine(self, address: str) -> None:
        """As `remember_groups`, for the containers of this run."""
        (self.root / _ENGINE_FILE).write_text(f"{address}\n")

    async def aclose(self) -> None:
        await disk.remove_tree(self.sockets)
        await disk.remove_tree(self.root)
        os.close(self.lock)


class InstanceFolders(Struct, frozen=True):
    """`root` holds /tmp and overlays, `sockets` the endpoint. A template has the folders of its forks in `spaces`."""

    root: Path
    sockets: Path
    run: str

    @property
    def socket(self) -> Path:
        return self.sockets / "w.sock"

    @property
    def mark(self) -> str:
        """Environment entry by which the processes of an instance are found again; see `remains`."""
        return f"{remains.MARK}{self.run}/{self.root.name}"

    def marked(self, env: Mapping[str, str]) -> dict[str, str]:
        """`env` with the mark."""
        name, _, value = self.mark.partition("=")
        return {**env, name: value}

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"

    @property
    def spaces(self) -> Path:
        return self.root / "spaces"

    def fork(self, name: str) -> InstanceFolders:
        """Make the folders of one instance that is forked from this template. Raises `OSError`."""
        self.spaces.mkdir(mode=0o700, exist_ok=True)
        return _made(InstanceFolders(self.spaces / name, self.sockets.with_name(name), self.run))

    async def aclose(self) -> None:
        await disk.remove_tree(self.sockets)
        await disk.remove_tree(self.root)


def _made(folders: InstanceFolders) -> InstanceFolders:
    folders.root.mkdir(mode=0o700)
    folders.sockets.mkdir(mode=0o700)
    return folders


def make_run_folders(state_dir: Path, environ: Mapping[str, str]) -> RunFolders:
    """New folders, locked by us for as long as we live. Raises `SandboxError`."""
    run = f"{os.getpid()}-{secrets.token_hex(3)}"
    try:
        parent = state_dir.absolute() / "run"
        parent.mkdir(parents=True, exist_ok=True)
        sockets = _short_folder(environ) / run
        sockets.mkdir(mode=0o700)
        root = parent / run
        # Locked under another name first: a starting neighbour must not take it for a leftover.
        fresh = parent / f".{run}"
        fresh.mkdir(mode=0o700)
        (fresh / _SOCKETS_FILE).write_text(str(sockets))
        lock = os.open(fresh / _LOCK_FILE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fresh.rename(root)
    except OSError as error:
        raise SandboxError(
            f"The folder for running instances can not be made: {error}", "choose another one with --state-dir"
        ) from error
    return RunFolders(run, root, sockets, lock)


async def remove_leftovers(state_dir: Path) -> list[str]:
    """End and remove what emulators that were killed left behind; returns their run ids."""
    removed: list[str] = []
    for root in _folders(state_dir.absolute() / "run"):
        lock = _lock_of_dead(root)
        if lock is None:
            continue
        try:
            await _remove(root)
        finally:
            os.close(lock)
        removed.append(root.name)
    return removed


async def _remove(root: Path) -> None:
    bases = _lines(root / _GROUPS_FILE)
    mark = f"{remains.MARK}{root.name}/".encode()
    for engine in _lines(root / _ENGINE_FILE):
        if not await asyncio.to_thread(remains.remove_containers, engine, root.name):
            return  # an engine that does not run now: it is tried again at the next start
    for _ in range(3):
        remains.kill_groups(bases)
        remains.kill_marked(proctree.all_pids(), mark)
        if remains.remove_groups(bases):
            break
        await asyncio.sleep(0.02)
    for sockets in _lines(root / _SOCKETS_FILE):
        folder = Path(sockets)
        if folder.name == root.name and _is_ours(folder.parent):
            if not remains.unmount_below(sockets):
                return  # else what is shown there would be removed
            await disk.remove_tree(folder)
    await disk.remove_tree(root)
    with contextlib.suppress(OSError):
        (root / _LOCK_FILE).touch(mode=0o600)  # what is left of it, such as files of another user, is tried again


def _lock_of_dead(root: Path) -> int | None:
    """The lock of a run whose owner is gone, now ours; None while the owner lives."""
    try:
        lock = os.open(root / _LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _short_folder(environ: Mapping[str, str]) -> Path:
    """A folder of our own for sockets: under $XDG_RUNTIME_DIR, else under /tmp."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    candidates = [Path(runtime) / "fclocal"] if runtime and len(runtime) < _LONGEST_SOCKET_FOLDER - 20 else []
    candidates.append(Path("/tmp") / f"fclocal-{os.getuid()}")  # noqa: S108 (checked for ownership below)
    for folder in candidates:
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
        if _is_ours(folder):
            return folder
    raise SandboxError(f"{candidates[-1]} belongs to somebody else, or lets others in", f"remove {candidates[-1]}")


def _is_ours(folder: Path) -> bool:
    """Whether it is a real folder that belongs to us, and that nobody else may enter."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def _folders(parent: Path) -> list[Path]:
    try:
        return [path for path in parent.iterdir() if path.is_dir() and not path.is_symlink() and not _fresh(path)]
    except OSError:
        return []


def _fresh(folder: Path) -> bool:
    """Whether a neighbour may be about to lock it."""
    return folder.name.startswith(".") and time.time() - folder.stat().st_mtime < _FRESH_SECONDS


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
