"""Processes, their families and their memory, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

_PIECE_BYTES = 16 * 1024


class Stat(Struct, frozen=True):
    """The few fields of /proc/PID/stat that matter here."""

    state: str
    parent: int
    session: int
    began: int
    environ_at: int

    @property
    def alive(self) -> bool:
        return self.state not in "ZX"


def read(path: str) -> bytes:
    """A file of the kernel's, in a third of the time that a buffered read takes; raises `OSError`."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = piece = os.read(fd, _PIECE_BYTES)
        while piece:
            # The kernel gives long lists page by page.
            piece = os.read(fd, _PIECE_BYTES)
            text += piece
        return text
    finally:
        os.close(fd)


def stat(pid: int) -> Stat | None:
    """None when the process is gone."""
    try:
        text = read(f"/proc/{pid}/stat")
    except OSError:
        return None
    # Counted from the third of proc(5): the second is the name, which may hold anything.
    fields = text[text.rindex(b")") + 2 :].split()
    return Stat(fields[0].decode(), int(fields[1]), int(fields[3]), int(fields[19]), int(fields[47]))


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 (names are wanted)


def children(pid: int) -> list[int]:
    """Direct children, oldest first for each thread that made some."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found.extend(map(int, (task / "children").read_text().split()))
    except OSError:
        return found
    return found


def walk(root: int) -> Iterator[int]:
    """Everything below `root`, without it. Below the first process of a pid namespace that is the namespace."""
    waiting = [root]
    while waiting:
        below = children(waiting.pop())
        yield from below
        waiting.extend(below)


def descendants(root: int) -> list[int]:
    return [*walk(root)]


def first_inside(init: int) -> int | None:
    """The user's main process: number 2 of the pid namespace whose first process is `init`."""
    below = children(init)
    for pid in below:
        if _number_inside(pid) == 2:
            return pid
    return None


def _number_inside(pid: int) -> int | None:
    for line in _status_lines(pid):
        if line.startswith("NSpid:"):
            return int(line.split()[-1])
    return None


def resident_bytes(pid: int) -> int:
    """Anonymous memory of a process, where a page that it shares with its forks counts in full for each of them."""
    try:
        fields = read(f"/proc/{pid}/statm").split()
    except OSError:
        return 0
    return max(0, int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")


def proportional_bytes(pid: int) -> int:
    """Anonymous memory of a process, where a page that n processes share counts 1/n: a sum over them is exact.

    The kernel walks the page table for it, 1 ms for 100 MB, where `resident_bytes` costs 20 µs.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return resident_bytes(pid)
    sizes = [int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:")]
    return sizes[0] * 1024 if sizes else resident_bytes(pid)  # Pss_Anon came with Linux 5.4


def highest_bytes(pids: Iterable[int]) -> int:
    """Sum of the highest resident sizes (VmHWM); counts shared libraries once for each process."""
    total = 0
    for pid in pids:
        for line in _status_lines(pid):
            if line.startswith("VmHWM:"):
                total += int(line.split()[1]) * 1024
                break
    return total


def _status_lines(pid: int) -> list[str]:
    try:
        return read(f"/proc/{pid}/status").decode(errors="replace").splitlines()
    except OSError:
        return []
