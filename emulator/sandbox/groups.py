"""One instance's control groups: limits, counters, and the end of everything inside."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from emulator.model.limits import MB
from emulator.sandbox.freezer import CgroupFreezer, Freezer
from emulator.sandbox.proctree import read

_CPU_PERIOD_US = 100_000
_CPU_QUOTA_MIN_US = 1000  # the kernel refuses less
_MEMORY_V1 = ("total_rss",)
_MEMORY_V2 = ("anon", "kernel")


class Place(Struct, frozen=True):
    """A group's folder in one tree, and the controllers that count there."""

    folder: Path
    controllers: frozenset[str]
    v2: bool


class Group:
    """The groups of one instance in all trees, used as one."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = tuple(places)

    @property
    def folders(self) -> tuple[str, ...]:
        """What a process joins by writing itself to `cgroup.procs`."""
        return tuple(str(place.folder) for place in self._places)

    @property
    def limits_memory(self) -> bool:
        return self._memory() is not None

    def create(self, *, memory_mb: int | None, cpu: float | None, processes: int) -> None:
        """Make the folders and set the limits that their controllers allow. Raises `OSError`."""
        for place in self._places:
            place.folder.mkdir()
            if "memory" in place.controllers and memory_mb is not None:
                _limit_memory(place, memory_mb * MB)
            if "cpu" in place.controllers and cpu is not None:
                _limit_cpu(place, cpu)
            if "pids" in place.controllers:
                write(place.folder / "pids.max", str(processes))

    def freezer(self) -> Freezer | None:
        for place in self._places:
            if place.v2 or "freezer" in place.controllers:
                return CgroupFreezer(place.folder, v2=place.v2)
        return None

    def oom_kills(self) -> int:
        """How many processes the kernel killed here for memory, since the group was made."""
        place = self._memory()
        if place is None:
            return 0
        return _fields(place.folder / ("memory.events" if place.v2 else "memory.oom_control")).get("oom_kill", 0)

    def oom_event(self) -> int | None:
        """v1: a descriptor that becomes readable when memory runs out. v2 ends the whole group by itself."""
        place = self._memory()
        if place is None or place.v2:
            return None
        try:
            control = os.open(place.folder / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None  # a container's, which has ended already
        event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            write(place.folder / "cgroup.event_control", f"{event} {control}")
        except OSError:
            os.close(event)
            return None
        finally:
            os.close(control)
        return event

    def memory_bytes(self) -> int | None:
        """What processes and the kernel use for them; page cache is not counted, it can be taken back."""
        place = self._memory()
        if place is None:
            return None
        fields = _fields(place.folder / "memory.stat")
        used = sum(fields.get(name, 0) for name in (_MEMORY_V2 if place.v2 else _MEMORY_V1))
        return used if place.v2 else used + _number(place.folder / "memory.kmem.usage_in_bytes")

    def pressure_bytes(self) -> int | None:
        """The highest charge, page cache included: an upper bound for the highest use."""
        place = self._memory()
        if place is None:
            return None
        return _number(place.folder / ("memory.peak" if place.v2 else "memory.max_usage_in_bytes")) or None

    def pids(self) -> list[int] | None:
        """Processes inside; None where there is no group to ask."""
        if not self._places:
            return None
        try:
            return [int(pid) for pid in read(f"{self._places[0].folder}/cgroup.procs").split()]
        except OSError:
            return []

    def kill(self) -> None:
        """SIGKILL everything inside, once. A frozen v1 group dies when it is thawed."""
        for place in self._places:
            if place.v2:
                with contextlib.suppress(OSError):
                    write(place.folder / "cgroup.kill", "1")
                    return
        for pid in self.pids() or ():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def remove(self) -> bool:
        """Remove the folders; False while a dying process still holds one."""
        left = False
        for place in self._places:
            try:
                place.folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                left = True
        return not left

    def _memory(self) -> Place | None:
        return next((place for place in self._places if "memory" in place.controllers), None)


def write(path: Path, value: str) -> None:
    """Raises `OSError`, unlike a buffered write whose error appears nowhere."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _limit_memory(place: Place, size: int) -> None:
    if place.v2:
        write(place.folder / "memory.max", str(size))
        write(place.folder / "memory.oom.group", "1")
        _write_if_there(place.folder, {"memory.swap.max": "0"}.items())
    else:
        write(place.folder / "memory.limit_in_bytes", str(size))
        # The sum of memory and swap; absent where the kernel does not account swap.
        _write_if_there(place.folder, {"memory.memsw.limit_in_bytes": str(size)}.items())


def _limit_cpu(place: Place, cores: float) -> None:
    quota = max(_CPU_QUOTA_MIN_US, round(cores * _CPU_PERIOD_US))
    if place.v2:
        write(place.folder / "cpu.max", f"{quota} {_CPU_PERIOD_US}")
    else:
        write(place.folder / "cpu.cfs_period_us", str(_CPU_PERIOD_US))
        write(place.folder / "cpu.cfs_quota_us", str(quota))


def _write_if_there(folder: Path, values: Iterable[tuple[str, str]]) -> None:
    for name, value in values:
        with contextlib.suppress(FileNotFoundError, PermissionError, NotImplementedError):
            write(folder / name, value)


def _fields(path: Path) -> dict[str, int]:
    try:
        lines = read(str(path)).decode().splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


def _number(path: Path) -> int:
    try:
        return int(read(str(path)))
    except (OSError, ValueError):
        return 0
