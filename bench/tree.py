"""What processes have used: CPU time, and memory of a process with all that came of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
# Linux makes the number of a process's CPU clock of its id (clock_getcpuclockid(3)); the clock counts in nanoseconds.
CPUCLOCK_SCHED = 2


def cpu_seconds(pid: int) -> float:
    """CPU time of one process so far, all its threads, none of its children. Raises `OSError` where it is gone."""
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def below(pid: int) -> Iterator[int]:
    """All descendants of a process."""
    children: dict[int, list[int]] = {}
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    left = [pid]
    while left:
        found = children.get(left.pop(), [])
        yield from found
        left += found


def cpu_seconds_below(pid: int) -> float:
    """CPU time of all descendants that are alive."""
    total = 0.0
    for child in below(pid):
        with contextlib.suppress(OSError):
            total += cpu_seconds(child)
    return total


def pss_mib(pid: int) -> float:
    """Proportional set size of one process; 0 where it is gone."""
    with contextlib.suppress(OSError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "Pss":
                return int(value.split()[0]) / 1024
    return 0.0
