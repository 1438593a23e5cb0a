"""Which processes belong to an instance, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PIECE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Stat:
    """The few fields of /proc/PID/stat that matter here."""

    state: str
    parent: int
    group: int
    session: int


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
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return Stat(fields[0], int(fields[1]), int(fields[2]), int(fields[3]))


def all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


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


def carries(pid: int, mark: bytes) -> bool:
    """Whether the process was started with the environment entry `mark` (`NAME=value`)."""
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def family(root: int, mark: bytes) -> list[int]:
    """`root`, what descends from it, shares its session, or carries its mark: also what left by setsid."""
    found = {root, *descendants(root)}
    for pid in all_pids():
        if pid in found:
            continue
        known = stat(pid)
        if known is not None and known.state != "Z" and (known.session == root or carries(pid, mark)):
            found.add(pid)
            found.update(descendants(pid))
    return [pid for pid in found if alive(pid)]


def marked(mark: bytes) -> list[int]:
    """Every process that carries `mark`."""
    return [pid for pid in all_pids() if carries(pid, mark) and alive(pid)]


def alive(pid: int) -> bool:
    known = stat(pid)
    return known is not None and known.state not in "ZX"


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
