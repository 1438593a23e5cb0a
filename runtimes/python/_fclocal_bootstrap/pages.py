# -*- coding: utf-8 -*-
"""Lets a parked fork have pages of memory before it needs them (docs/zygote.md): those that forks come to use.

Nothing in them changes. Python 3 only.
"""

import ctypes
import resource

from . import rights

# madvise(2), from Linux 5.14 on: as if each page was read, or written to.
POPULATE_READ, POPULATE_WRITE = 22, 23


def have(runs):
    """Those `read`, then those `written`: the first page of each run and how many, as numbers of 64 bits. Where a run
    is not mapped here, or the kernel is older, nothing is done."""
    size = resource.getpagesize()
    for advice, name in ((POPULATE_READ, "read"), (POPULATE_WRITE, "written")):
        numbers = memoryview(bytes.fromhex(runs[name])).cast("Q")
        for at in range(0, len(numbers), 2):
            place, length = numbers[at] * size, numbers[at + 1] * size
            rights.LIBC.madvise(ctypes.c_void_p(place), ctypes.c_size_t(length), advice)
