# -*- coding: utf-8 -*-
"""Fills the holes that imports have left between small objects, before a template is forked.

A fork that puts something into a hole has to have that page for itself first, and the holes lie all over what a large
package takes. Where there are none it begins pages of its own, and uses them up.
"""

import os
import sys

HEADER = sys.getsizeof(b"")
# By the size of their block, where bytes do not fit.
SMALLER = {16: object, 32: lambda: (1 << 40) + os.getpid()}


def fill():
    """As many objects as there are holes, and as large, for the caller to keep."""
    found = [(size, free) for size, free in holes() if size in SMALLER or size > HEADER]
    return [SMALLER[size]() if size in SMALLER else bytes(size - HEADER) for size, free in found for _ in range(free)]


def holes():
    """The size of blocks, and how many of them are free in the pools of that size, as far as the interpreter tells."""
    rows = [line.split() for line in _statistics().splitlines()]
    return [(int(row[1]), int(row[4])) for row in rows if len(row) == 5 and all(word.isdigit() for word in row)]


def _statistics():
    """Of CPython's own allocator (obmalloc), which writes them to descriptor 2: 5 KB, a pipe takes 64."""
    tell = getattr(sys, "_debugmallocstats", None)
    if tell is None:
        return ""
    reading, writing = os.pipe()
    errors = os.dup(2)
    os.dup2(writing, 2)
    os.close(writing)
    try:
        tell()
    finally:
        os.dup2(errors, 2)
        os.close(errors)
    with os.fdopen(reading) as told:
        return told.read()
