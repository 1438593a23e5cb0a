"""What the kernel and a FUSE file system say to each other, as bytes: linux/fuse.h, protocol 7.31 (pure)."""

from __future__ import annotations

import os
import struct
from enum import IntEnum

ROOT_ID = 1
MINOR = 31
# One request holds at most so much data; the kernel's own read-ahead asks for 128 KiB.
MOST_BYTES = 1024 * 1024
BUFFER_BYTES = MOST_BYTES + 64 * 1024
HEADER = struct.Struct("<IIQQIIII")  # length, opcode, unique, node, uid, gid, pid, padding
REPLY = struct.Struct("<IiQ")
ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
ENTRY = struct.Struct("<QQQQII")
INIT = struct.Struct("<IIII")
INIT_REPLY = struct.Struct("<IIIIHHIIHHI28x")
SETATTR = struct.Struct("<IIQQQQQQIIIIIIII")
IO = struct.Struct("<QQIIQII")  # of READ and READDIR: handle, offset, size, …
WRITE = struct.Struct("<QQIIQII")
OPENED = struct.Struct("<QII")
STATFS = struct.Struct("<QQQQQIIII24x")
DIRENT = struct.Struct("<QQII")
TWO = struct.Struct("<II")
HANDLE = struct.Struct("<Q")

ASYNC_READ, ATOMIC_O_TRUNC, BIG_WRITES, AUTO_INVAL_DATA = 1 << 0, 1 << 3, 1 << 5, 1 << 12
PARALLEL_DIROPS, MAX_PAGES, CACHE_SYMLINKS = 1 << 18, 1 << 22, 1 << 23
KEEP_CACHE = 1 << 1
# Which of an inode's attributes a SETATTR is about.
SET_MODE, SET_UID, SET_GID, SET_SIZE, SET_ATIME, SET_MTIME, SET_HANDLE, ATIME_NOW, MTIME_NOW = (
    1 << bit for bit in range(9)
)


class Op(IntEnum):
    """Requests that are answered; the kernel takes ENOSYS for each other one, and does without."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    CREATE = 35
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42


def attributes(found: os.stat_result, seconds: float) -> bytes:
    """The attributes of an inode, which may be believed for so long."""
    whole, rest = divmod(seconds, 1)
    return struct.pack("<QII", int(whole), int(rest * 1e9), 0) + attr(found)


def entry(node: int, found: os.stat_result, seconds: float) -> bytes:
    """A name and what it means; a node of 0 says that there is none."""
    whole, rest = int(seconds), int(seconds % 1 * 1e9)
    return ENTRY.pack(node, 0, whole, whole, rest, rest) + attr(found)


def no_entry(seconds: float) -> bytes:
    """That a name means nothing, which may be believed for so long too."""
    return ENTRY.pack(0, 0, int(seconds), 0, int(seconds % 1 * 1e9), 0) + bytes(ATTR.size)


def attr(found: os.stat_result) -> bytes:
    times = (found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns)
    return ATTR.pack(
        found.st_ino, found.st_size, found.st_blocks,
        *((time // 10**9) & (2**64 - 1) for time in times), *(time % 10**9 for time in times),
        found.st_mode, found.st_nlink, found.st_uid, found.st_gid, found.st_rdev & 0xFFFFFFFF, found.st_blksize, 0,
    )  # fmt: skip


def init_reply(asked_minor: int, readahead: int, flags: int, *, checks_data: bool) -> bytes:
    wanted = ASYNC_READ | ATOMIC_O_TRUNC | BIG_WRITES | PARALLEL_DIROPS | MAX_PAGES | CACHE_SYMLINKS
    wanted |= AUTO_INVAL_DATA if checks_data else 0
    pages = MOST_BYTES // 4096
    return INIT_REPLY.pack(7, min(asked_minor, MINOR), readahead, wanted & flags, 64, 48, MOST_BYTES, 1, pages, 0, 0)


def directory(entries: list[tuple[int, str, int]], offset: int, most: int) -> bytes:
    """As much of a listing as fits from this place on: inode, name and kind (`DT_…`) of each."""
    parts: list[bytes] = []
    left = most
    for index in range(offset, len(entries)):
        inode, name, kind = entries[index]
        spelled = os.fsencode(name)
        size = DIRENT.size + len(spelled)
        padded = (size + 7) & ~7
        if padded > left:
            break
        left -= padded
        parts.append(DIRENT.pack(inode, index + 1, len(spelled), kind) + spelled + bytes(padded - size))
    return b"".join(parts)


def names(body: bytes) -> list[str]:
    """The names at the end of a request."""
    return [os.fsdecode(part) for part in body.split(b"\0")[:-1]]
