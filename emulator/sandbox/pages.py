"""Which pages of memory a fork has come to use: later forks of its template can have them ahead of time.

A fork shares the pages of its template until it writes to them, and maps those of files when it looks at them. Each
such page is a fault, and an instance that answers for the first time has thousands.
"""

from __future__ import annotations

import mmap
import os
import re
import sys
from array import array
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

from msgspec import Struct

# An entry of /proc/PID/pagemap has 64 bits (proc_pid_pagemap(5)); in its highest byte: the page is there, is a file's
# or shared memory, is mapped by nobody else.
_ENTRY_BYTES = 8
_HIGHEST = _ENTRY_BYTES - 1 if sys.byteorder == "little" else 0
_PRESENT, _OF_A_FILE, _EXCLUSIVE = 0x80, 0x20, 0x01
_OWN = bytes(state & (_PRESENT | _OF_A_FILE | _EXCLUSIVE) == _PRESENT | _EXCLUSIVE for state in range(256))
_FILES = bytes(state & (_PRESENT | _OF_A_FILE) == _PRESENT | _OF_A_FILE for state in range(256))
_RUN = re.compile(b"\x01+")
_PAGES_AT_ONCE = 4096
# What is written in one longer piece is data of a handler's, and not what an interpreter needs to go on.
_LONGEST_RUN = 256

Runs = tuple[tuple[int, int], ...]


class Pages(Struct, frozen=True):
    """Runs of pages, each the number of the first one and how many: `written` are its own by now, `read` are files'."""

    written: Runs = ()
    read: Runs = ()

    def order(self) -> Mapping[str, str]:
        """For a fork: numbers of 64 bits in hexadecimal, since it would need pages of its own for a list of them."""
        return {"written": _packed(self.written), "read": _packed(self.read)}


def used(pid: int) -> Pages:
    """Of the private memory of a process. Takes some milliseconds, so not for the event loop. Raises `OSError`."""
    written: list[tuple[int, int]] = []
    read: list[tuple[int, int]] = []
    fd = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for first, end, is_writable in _mappings(pid):
            for at in range(first, end, _PAGES_AT_ONCE):
                pages = min(_PAGES_AT_ONCE, end - at)
                states = os.pread(fd, pages * _ENTRY_BYTES, at * _ENTRY_BYTES)[_HIGHEST::_ENTRY_BYTES]
                read += _runs(at, states.translate(_FILES))
                if is_writable:
                    written += _runs(at, states.translate(_OWN))
    finally:
        os.close(fd)
    return Pages(tuple(run for run in written if run[1] <= _LONGEST_RUN), tuple(read))


def _mappings(pid: int) -> Iterator[tuple[int, int, bool]]:
    """First page and end of each private one, and whether it can be written; not those that the kernel has made."""
    for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        place, rights, _, _, _, *name = line.split(None, 5)
        if rights[3] == "p" and not (name and name[0].startswith("[v")):
            first, end = (int(address, 16) // mmap.PAGESIZE for address in place.split("-"))
            yield first, end, rights[1] == "w"


def _packed(runs: Runs) -> str:
    return array("Q", chain.from_iterable(runs)).tobytes().hex()


def _runs(first: int, chosen: bytes) -> Iterator[tuple[int, int]]:
    if 1 in chosen:
        yield from ((first + run.start(), run.end() - run.start()) for run in _RUN.finditer(chosen))
