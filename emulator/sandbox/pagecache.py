"""The page cache of single files: how much of them is there, and putting it out (docs/profiles.md).

Nothing here needs root, and nothing touches other files than those that are named.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

# cachestat(2), from Linux 6.5 on; the number is the same on all processors that we know walls for.
_CACHESTAT = 451
_PAGE = mmap.PAGESIZE
# The kernel writes what is older than this by itself (vm.dirty_expire_centisecs is 30 s), and a wait for the disk is a
# millisecond for each of thousands of files.
_DIRTY_SECONDS = 120.0
_PROT_NONE, _MAP_SHARED = 0, 1


class Residency(Struct, frozen=True, gc=False):
    """Of one file: its size and how much of it is in the page cache, in bytes; `resident` is null where the kernel does
    not say, which it does only to who may write the file."""

    path: str
    size: int
    resident: int | None


class _Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class _CacheStat(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("cached", "dirty", "writeback", "evicted", "lately"))


def residency(paths: Iterable[str]) -> list[Residency]:
    """Of each of these files that is there and that we may read, in order."""
    asked = _asker()
    found = []
    for path in paths:
        with contextlib.suppress(OSError), _opened(path) as fd:
            size = os.fstat(fd).st_size
            found.append(Residency(path, size, min(size, told) if (told := asked(fd, size)) is not None else None))
    return found


def evict(paths: Iterable[str]) -> None:
    """Put these files out of the page cache, when what was written to them is on the disk. What other processes have
    mapped stays, and so does what is not on a disk."""
    for path in paths:
        with contextlib.suppress(OSError), _opened(path) as fd:
            if time.time() - os.fstat(fd).st_mtime < _DIRTY_SECONDS:
                os.fdatasync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def mapped_elsewhere(paths: Iterable[str]) -> set[str]:
    """Those of these files that a process of this machine, of those that we may look into, has mapped into memory."""
    by_identity = {identity: path for path in paths if (identity := _identity(path)) is not None}
    found: set[str] = set()
    for name in os.listdir("/proc") if by_identity else ():  # noqa: PTH208 - names are wanted
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/maps", "rb") as maps:  # noqa: PTH123 - as above
                found.update(by_identity[it] for it in _identities(maps) if it in by_identity)
    return found


def _identities(maps: Iterable[bytes]) -> set[tuple[bytes, bytes]]:
    return {(words[3], words[4]) for line in maps if len(words := line.split(None, 5)) == 6}


def _identity(path: str) -> tuple[bytes, bytes] | None:
    """Device and inode, as /proc/PID/maps writes them."""
    try:
        found = os.stat(path)  # noqa: PTH116 - thousands of them
    except OSError:
        return None
    return b"%02x:%02x" % (os.major(found.st_dev), os.minor(found.st_dev)), b"%d" % found.st_ino


def files_below(folders: Sequence[Path], hidden: Sequence[Path] = ()) -> Iterator[str]:
    """The regular files in these folders, each name once; `hidden` folders are left out. A file stands for itself."""
    for folder in dict.fromkeys(folders):
        if folder.is_file():
            yield str(folder)
        for here, names, files in os.walk(folder):
            names[:] = [name for name in names if Path(here, name) not in hidden]
            for name in files:
                path = f"{here}/{name}"
                if not os.path.islink(path):  # noqa: PTH114 - thousands of them
                    yield path


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _asker() -> Callable[[int, int], int | None]:
    """The way in which this kernel is asked: bytes of an open file, or None where it does not say."""
    libc = ctypes.CDLL(None, use_errno=True)
    if platform.system() != "Linux":
        return lambda fd, size: None
    probe = os.memfd_create("fclocal", os.MFD_CLOEXEC)  # a file that is ours, of which everything may be asked
    try:
        ask = _cachestat if _cachestat(libc, probe, 0) is not None else _mincore
    finally:
        os.close(probe)
    return lambda fd, size: ask(libc, fd, size)


def _cachestat(libc: ctypes.CDLL, fd: int, _size: int) -> int | None:
    """None where the kernel has it not, or does not say."""
    told = _CacheStat()
    whole = _Range(0, 0)
    if libc.syscall(_CACHESTAT, fd, ctypes.byref(whole), ctypes.byref(told), 0) != 0:
        return None
    return int(told.cached) * _PAGE


def _mincore(libc: ctypes.CDLL, fd: int, size: int) -> int | None:
    """From Linux 5.2 on, of a file that we may not write it says that all is there: then nobody knows."""
    if size == 0:
        return 0
    if not _may_ask(fd):
        return None
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)
    at = libc.mmap(None, size, _PROT_NONE, _MAP_SHARED, fd, 0)
    if at == ctypes.c_void_p(-1).value:
        return None
    try:
        pages = (ctypes.c_ubyte * -(-size // _PAGE))()
        if libc.mincore(ctypes.c_void_p(at), ctypes.c_size_t(size), pages) != 0:
            return None
        return sum(page & 1 for page in bytes(pages)) * _PAGE
    finally:
        libc.munmap(ctypes.c_void_p(at), ctypes.c_size_t(size))


def _may_ask(fd: int) -> bool:
    return os.geteuid() in (0, os.fstat(fd).st_uid) or os.access(f"/proc/self/fd/{fd}", os.W_OK)
