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
    """Those `read`, then those `written`. Where a run is not mapped here, or the kernel is older, nothing is done."""
    size = resource.getpagesize()
    for advice, found in ((POPULATE_READ, runs["read"]), (POPULATE_WRITE, runs["written"])):
        for first, count in found:
            rights.LIBC.madvise(ctypes.c_void_p(first * size), ctypes.c_size_t(count * size), advice)
