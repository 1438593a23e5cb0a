"""What runs in an instance beside its program, read from /proc: processes, sockets and timers that user code has left.

`traces` is quick, and tells whether there is something else than before; `look` says what it is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import PurePath

from msgspec import Struct

from emulator.sandbox import proctree
from emulator.sandbox.listeners import address_of

TIMER = "anon_inode:[timerfd]"
_SOCKET = "socket:["
_LISTENING, _CLOSED_BY_PEER = "0A", "08"
_SHOWN = 20


class Traces(Struct, frozen=True):
    """Processes, threads of the program, and its descriptors of sockets and timers."""

    pids: tuple[int, ...]
    threads: tuple[str, ...]
    handles: tuple[str, ...]


class Left(Struct, frozen=True):
    """Each as a text."""

    timers: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()


class Scene(Struct, frozen=True):
    """Where to look. `main` is the process of our bootstrap, None for a program of the user's: of that, other programs
    count which were started after `born_at`, a moment of the monotonic clock. `ports` are the emulator's way in."""

    pids: tuple[int, ...]
    main: int | None
    born_at: float
    ports: frozenset[int]

    @property
    def looked_at(self) -> Sequence[int]:
        return self.pids if self.main is None else (self.main,)


def main_of(pids: Iterable[int], number: int) -> int | None:
    """Whose number is this in its own pid namespace."""
    return next((pid for pid in pids if _numbers(pid)[-1:] == [number]), None)


def traces(scene: Scene) -> Traces:
    threads = _names(f"/proc/{scene.main}/task") if scene.main is not None else ()
    handles = sorted(handle for pid in scene.looked_at for handle in _handles(pid))
    return Traces(tuple(sorted(scene.pids)), tuple(threads), tuple(handles))


def look(scene: Scene) -> Left:
    """Takes some milliseconds on a machine with many connections."""
    others = _others(scene)
    handles = [(pid, handle) for pid in {*scene.looked_at, *others} for handle in _handles(pid)]
    timers = sum(handle == TIMER for _, handle in handles) if scene.main is not None else 0
    inodes = {handle[len(_SOCKET) : -1] for _, handle in handles if handle != TIMER}
    sockets = dict.fromkeys(_sockets(inodes, scene)) if inodes else {}
    return Left(
        (f"{timers} timer{'s' if timers > 1 else ''} of timerfd_create",) if timers else (),
        tuple(sockets)[:_SHOWN],
        tuple(_shown(pid, scene) for pid in others[:_SHOWN]),
    )


# --- processes ---


def _others(scene: Scene) -> list[int]:
    """Processes that are neither the program nor its walls'."""
    stats = {pid: found for pid in scene.pids if (found := proctree.stat(pid)) is not None and found.alive}
    if scene.main is None:
        born = _ticks(scene.born_at)
        return [
            pid
            for pid, found in stats.items()
            if found.began > born and _command(pid) != _command(found.parent)  # workers of a server are its own
        ]
    ours, pid = {scene.main}, scene.main
    while pid in stats and stats[pid].parent not in ours:
        pid = stats[pid].parent
        ours.add(pid)
    return [pid for pid in stats if pid not in ours and not _is_first(pid)]


def _is_first(pid: int) -> bool:
    """Of a pid namespace, however deep: the walls' own."""
    numbers = _numbers(pid)
    return len(numbers) > 1 and numbers[-1] == 1


def _ticks(at: float) -> float:
    """A moment of the monotonic clock, as `proctree.Stat.began` counts, for which a machine that sleeps grows older."""
    slept = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    return (at + slept) * os.sysconf("SC_CLK_TCK")


def _shown(pid: int, scene: Scene) -> str:
    """Its arguments may be secrets."""
    command = _command(pid)
    number = (_numbers(pid) or [pid])[-1]
    if scene.main is not None and command == _command(scene.main):
        return f"that is a fork of the function's own (pid {number})"
    words = [PurePath(os.fsdecode(word)).name for word in command[:2] if word]
    script = words[1:] if len(words) > 1 and "." in words[1] and not command[1].startswith(b"-") else []
    return f"{' '.join([*words[:1], *script]) or 'a process'} (pid {number})"


def _command(pid: int) -> list[bytes]:
    try:
        return proctree.read(f"/proc/{pid}/cmdline").split(b"\0")
    except OSError:
        return []


def _numbers(pid: int) -> list[int]:
    """Its number in each pid namespace, from ours to its own."""
    try:
        lines = proctree.read(f"/proc/{pid}/status").decode(errors="replace").splitlines()
    except OSError:
        return []
    return next(([int(word) for word in line.split()[1:]] for line in lines if line.startswith("NSpid:")), [])


# --- descriptors ---


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 (names are wanted)
    except OSError:
        return []


def _handles(pid: int) -> Iterator[str]:
    for name in _names(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")  # noqa: PTH115 (as quick as can be)
        except OSError:
            continue
        if target.startswith(_SOCKET) or target == TIMER:
            yield target


def _sockets(inodes: Collection[str], scene: Scene) -> Iterator[str]:
    """Those of TCP and UDP; what a server that listens has accepted is a part of it."""
    rows = [row for protocol in ("tcp", "udp") for row in _rows(scene.looked_at[0], protocol) if row.inode in inodes]
    listening = {row.port for row in rows if row.state == _LISTENING}
    for row in rows:
        if row.port in scene.ports:
            continue
        if row.state == _LISTENING:
            if scene.main is not None:
                yield f"TCP, listening on port {row.port}"
        elif row.remote and row.port not in listening:
            closed = ", which the other side has closed" if row.state == _CLOSED_BY_PEER else ""
            yield f"{row.protocol} to {row.remote}{closed}"
        elif not row.remote and row.protocol == "UDP" and scene.main is not None:
            yield f"UDP, port {row.port}"


class _Row(Struct, frozen=True):
    """A line of /proc/PID/net/tcp and its like; `remote` is empty where it is not connected."""

    protocol: str
    port: int
    remote: str
    state: str
    inode: str


def _rows(pid: int, protocol: str) -> Iterator[_Row]:
    for table in (protocol, f"{protocol}6"):
        try:
            lines = proctree.read(f"/proc/{pid}/net/{table}").decode().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if len(fields) > 9:
                port = int(fields[1].rpartition(":")[2], 16)
                yield _Row(protocol.upper(), port, _remote(fields[2]), fields[3], fields[9])


def _remote(text: str) -> str:
    raw, _, port = text.partition(":")
    if not int(port, 16):
        return ""
    address = address_of(raw)
    return f"[{address}]:{int(port, 16)}" if address.version == 6 else f"{address}:{int(port, 16)}"
