"""Linux's inotify as a descriptor that the event loop reads, and that can be asked in a quarter of a microsecond.

watchdog's own reader sits on a thread, which nobody can ask whether a save is still in the kernel's queue; the kernel
puts it there before the program that saved goes on (inotify(7)), so looking there tells exactly. The values are those
of `sys/inotify.h`.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import os
import select
import struct
import termios
from collections.abc import Callable, Iterator

from msgspec import Struct

MODIFY = 0x2
ATTRIB = 0x4
CLOSE_WRITE = 0x8
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
MOVE_SELF = 0x800
UNMOUNT = 0x2000
OVERFLOW = 0x4000
IGNORED = 0x8000
ONLYDIR = 0x0100_0000
MASK_ADD = 0x2000_0000
IS_DIR = 0x4000_0000
# Not what reading causes (IN_OPEN, IN_CLOSE_NOWRITE, IN_ACCESS): it made others reload in a loop.
NAMES = CREATE | MOVED_TO | DELETE | MOVED_FROM | DELETE_SELF | MOVE_SELF
# Of files that are written to, when that is over; logs that lie there wake nobody.
SAVES = NAMES | CLOSE_WRITE | ATTRIB
WRITES = SAVES | MODIFY
# Of a file by itself.
CONTENT = MODIFY | ATTRIB
# The kernel gives whole events only, and up to 16384 of them are in the queue.
BUFFER_BYTES = 256 * 1024
_HEAD = struct.Struct("iIII")


class NoWatches(OSError):
    """The kernel gives no more watches, or no more instances of inotify."""


class Seen(Struct, frozen=True, gc=False):
    """One event: `watch` is the number that `add` gave, `name` is empty for the folder itself."""

    watch: int
    mask: int
    name: str


class Inotify:
    """One instance. Raises `NoWatches` where the user has too many, `OSError` where there is no inotify."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "inotify_init1"):
            raise OSError(errno.ENOSYS, "no inotify on this system")
        self.fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        # Asked before each invocation: true where anything happened that was not read yet.
        self.pending: Callable[[], object] = functools.partial(poll.poll, 0)

    def add(self, path: str, wanted: int, *, only_folders: bool = True) -> int:
        """Watch a folder, not what lies below it, or a file; the same number for one that is watched already, for what
        was wanted before, too.

        Raises `NoWatches`, and `OSError` where there is none that may be read.
        """
        kind = ONLYDIR if only_folders else 0
        return self._checked(self._libc.inotify_add_watch(self.fd, os.fsencode(path), wanted | kind | MASK_ADD))

    def remove(self, watch: int) -> None:
        self._libc.inotify_rm_watch(self.fd, watch)

    def read(self) -> Iterator[Seen]:
        """What happened until now, without waiting. What happens meanwhile is left for the next time: somebody may
        write faster than it can be read."""
        left = struct.unpack("i", fcntl.ioctl(self.fd, termios.FIONREAD, bytes(4)))[0]
        while left > 0:
            data = os.read(self.fd, BUFFER_BYTES)
            left -= len(data)
            yield from _events(data)

    def close(self) -> None:
        os.close(self.fd)

    def _checked(self, result: int) -> int:
        if result >= 0:
            return result
        number = ctypes.get_errno()
        kind = NoWatches if number in (errno.ENOSPC, errno.EMFILE) else OSError
        raise kind(number, os.strerror(number))


def _events(data: bytes) -> Iterator[Seen]:
    at = 0
    while at < len(data):
        watch, mask, _, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size + length
        yield Seen(watch, mask, os.fsdecode(data[at - length : at].rstrip(b"\0")))
