"""Which files instances read until their first answer, where that is measured (docs/reads.md).

A library in each of their processes notes it in a table that they share with us (native/reads.c). What the dynamic
linker maps is not seen by it, and is taken from the processes' maps of memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from emulator.instance.instance import Instance
from emulator.journal.journal import Journal
from emulator.model.coldstart import FileRead
from emulator.model.errors import UserError
from emulator.model.inner_events import FilesRead
from emulator.model.launch import Launch
from emulator.native import build
from emulator.runtime.reads import LIBRARY, READS_HOME, ReadsLink
from emulator.runtime.tree import Tree, is_within
from emulator.sandbox.base import Walls
from emulator.sandbox.proctree import read

FOLDER = "native"
# An image's C library may be older than this machine's: see reads.c for why it has to be asked for by name.
FLAGS = (*build.SHARED, "-U_FORTIFY_SOURCE", "-fno-stack-protector", "-Wl,--no-as-needed", "-l:libdl.so.2")
PROGRAMS = ((LIBRARY, "reads.c", FLAGS),)
# `struct table` of reads.c.
_HEAD, _ROW = struct.Struct("<2I5Q2Q"), struct.Struct("<6Q4I")
_ROWS, _NAME_BYTES = 4096, 1 << 20
_NAMES_AT = _HEAD.size + _ROWS * _ROW.size
TABLE_BYTES = _NAMES_AT + _NAME_BYTES
_SWITCHED_OFF = struct.pack("<I", 1)
# Beside the function's own: the library, the table, and the shell that starts programs in containers.
_OURS = (READS_HOME, "/run/fclocal", "/run/fclocal-entry")
_DELETED = " (deleted)"


class _Measured(Struct, frozen=True):
    """An instance; without a `table` nothing is known of it, which is told too: somebody waits to hear of it."""

    table: Path | None
    walled: bool


class FileReads:
    """For emulators that measure cold starts; a table is read once, and then switched off."""

    def __init__(self, journal: Journal, state_dir: Path) -> None:
        self._journal = journal
        self._cache = state_dir.absolute() / FOLDER
        self._measured: dict[str, _Measured] = {}
        # One attempt for all instances: a compiler that fails would take its time of each of them.
        self._library: asyncio.Task[Path] | None = None

    async def link(self, instance_id: str, walls: Walls) -> ReadsLink | None:
        """A new table for an instance that is to be made; None where there can be none, which is told once."""
        try:
            if not walls.shares_sockets:
                raise UserError(f"these walls ({walls.rung}) share no memory with instances", "use --walls process")
            library = await self._compiled()
            table = walls.sockets / f"{instance_id}.reads"
            table.write_bytes(bytes(TABLE_BYTES))  # what has its place already costs the instance less to write to
            table.chmod(0o666)  # a program may be any user; the folder lets in nobody else
        except (UserError, OSError) as error:
            self._journal.notice(f"file reads are not measured: {error}")
            self._measured[instance_id] = _Measured(None, walls.mounts)
            return None
        self._measured[instance_id] = _Measured(table, walls.mounts)
        return ReadsLink(library, table)

    async def _compiled(self) -> Path:
        """The library's folder. Raises the same `UserError` or `OSError` each time where it can not be made."""
        if self._library is None:
            self._library = asyncio.create_task(asyncio.to_thread(compiled_library, self._cache))
        return await asyncio.shield(self._library)

    def watching(self, changed: Callable[[Instance], None]) -> Callable[[Instance], None]:
        """`changed`, with a look at the table after the first answer of an instance, or at its end."""

        def told(instance: Instance) -> None:
            changed(instance)
            if (instance.served or instance.ended) and (measured := self._measured.pop(instance.id, None)):
                # The answer goes out first.
                asyncio.get_running_loop().call_soon(self._tell, instance, measured)

        return told

    def forget(self, instance_id: str) -> None:
        """It is gone, or was never made."""
        measured = self._measured.pop(instance_id, None)
        if measured is not None and measured.table is not None:
            measured.table.unlink(missing_ok=True)

    def _tell(self, instance: Instance, measured: _Measured) -> None:
        if measured.table is None:
            self._journal.append(FilesRead(self._journal.now(), instance.id, instance.function, (), 0.0))
            return
        try:
            table = _taken(measured.table)
        except OSError:  # the function, or whoever cleared away the run's folder, was quicker
            table = Table((), 0.0, 0)
        finally:
            measured.table.unlink(missing_ok=True)
        launch = instance.sandbox.launch
        mapped = _mapped(instance)
        if not table.reads and not mapped:
            self._journal.notice(
                "no file reads were seen: its program reads none, or is linked statically", function=instance.function
            )
        reads = _on_host([*_with_mapped(table.reads, mapped)], launch, walled=measured.walled)
        self._journal.append(
            FilesRead(self._journal.now(), instance.id, instance.function, reads, table.measuring_ms, table.lost)
        )


def compiled_library(cache: Path) -> Path:
    """The folder in `cache` that holds the library. Raises `UserError` where it can not be made."""
    return build.compiled(cache, Path(build.__file__).parent, PROGRAMS, "noting them")


class Table(Struct, frozen=True):
    """What a table holds; paths are as the instance has them."""

    reads: tuple[FileRead, ...]
    measuring_ms: float
    lost: int


def _taken(path: Path) -> Table:
    """What is in the table, which is written no more from now on. Raises `OSError`."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        with mmap.mmap(fd, TABLE_BYTES) as table:
            table[: len(_SWITCHED_OFF)] = _SWITCHED_OFF
            return parsed(table[:])
    except ValueError as error:  # the function has made it shorter
        raise OSError(str(error)) from error
    finally:
        os.close(fd)


def parsed(table: bytes) -> Table:
    """From the bytes of reads.c's table, which any process of the instance may have written."""
    _, _, look_ns, calls, own_ns, lost, *_ = _HEAD.unpack_from(table)
    return Table(tuple(_rows(table)), (own_ns + calls * look_ns) / 1e6, lost)


def _rows(table: bytes) -> Iterator[FileRead]:
    names = table[_NAMES_AT:]
    found: dict[str, FileRead] = {}
    for key, size, read_, mapped, busy_ns, first_ns, times, length, at, _ in _ROW.iter_unpack(
        table[_HEAD.size : _NAMES_AT]
    ):
        if not key or not length or not (times or read_ or mapped):
            continue
        path = names[at : at + length].decode("utf-8", "replace").removesuffix(_DELETED)
        row = FileRead(path, size, read_, mapped, max(times, 1), first_ns / 1e6, busy_ns / 1e6)
        before = found.get(path)
        found[path] = row if before is None else _together(before, row)
    yield from sorted(found.values(), key=lambda row: row.at_ms)


def _together(one: FileRead, other: FileRead) -> FileRead:
    """A file that was replaced by another one of its name, as an overlay does when it is written to."""
    return FileRead(
        one.path,
        max(one.size, other.size),
        one.read + other.read,
        one.mapped + other.mapped,
        one.times + other.times,
        min(one.at_ms, other.at_ms),
        one.busy_ms + other.busy_ms,
    )


def _mapped(instance: Instance) -> dict[str, FileRead]:
    """What processes that have our table have mapped of files, by path."""
    found: dict[str, FileRead] = {}
    for pid in instance.sandbox.members():
        with contextlib.suppress(OSError):
            sizes = _sizes(read(f"/proc/{pid}/maps").decode("utf-8", "replace"))
            if not any(path.endswith(f"/{LIBRARY}") for path in sizes):
                continue
            for path, mapped in sizes.items():
                if path not in found:
                    size = os.stat(f"/proc/{pid}/root{path}").st_size  # noqa: PTH116 (a path that is not ours)
                    found[path] = FileRead(path, size, 0, mapped, 1, 0.0, 0.0)
    return found


def _sizes(maps: str) -> dict[str, int]:
    """Bytes that are mapped of each file, by the text of /proc/PID/maps."""
    sizes: dict[str, int] = {}
    for line in maps.splitlines():
        fields = line.split(None, 5)
        if len(fields) == 6 and fields[4] != "0" and not fields[5].startswith(("/dev/", "/memfd:")):
            begin, end = (int(number, 16) for number in fields[0].split("-"))
            path = fields[5].removesuffix(_DELETED)
            sizes[path] = sizes.get(path, 0) + end - begin
    return sizes


def _with_mapped(reads: tuple[FileRead, ...], mapped: dict[str, FileRead]) -> Iterator[FileRead]:
    for row in reads:
        seen = mapped.pop(row.path, None)
        yield row if seen is None or row.mapped else replace(row, mapped=seen.mapped)
    yield from mapped.values()


def _on_host(reads: list[FileRead], launch: Launch, *, walled: bool) -> tuple[FileRead, ...]:
    """With the paths that the files have on the host; those of an image, and what walls keep for themselves, have none,
    and stay as the instance has them."""
    tree = Tree(launch.mounts, launch.links, walled=walled, system=not launch.image)
    wanted = [row for row in reads if not any(is_within(row.path, folder) for folder in _OURS)]
    return tuple(replace(row, path=str(tree.host(row.path) or row.path)) for row in wanted)
