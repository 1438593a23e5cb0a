"""Which pages a fork has come to use since it was forked."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from ctypes import addressof, c_char
from pathlib import Path

import pytest

from emulator.sandbox.pages import used

PAGES = 600
WRITTEN = [3, 4, 5, 40, 599]


@pytest.fixture
def shared() -> mmap.mmap:
    """Private memory that is written to before the fork."""
    memory = mmap.mmap(-1, PAGES * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[:] = b"x" * len(memory)
    return memory


def first_page(memory: mmap.mmap) -> int:
    return addressof(c_char.from_buffer(memory)) // mmap.PAGESIZE


def fork_that_writes(memory: mmap.mmap, pages: list[int]) -> Iterator[int]:
    """A child that has written to these pages, until it is let go."""
    reading, writing = os.pipe()
    hold, let_go = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(let_go)
        for page in pages:
            memory[page * mmap.PAGESIZE] = 7
        os.write(writing, b"k")
        os.read(hold, 1)
        os._exit(0)
    os.read(reading, 1)
    yield child
    for fd in (reading, writing, hold, let_go):
        os.close(fd)
    os.waitpid(child, 0)


def within(runs: tuple[tuple[int, int], ...], first: int) -> list[int]:
    """Their pages that lie in the memory that begins there."""
    found = (page - first for start, count in runs for page in range(start, start + count))
    return [page for page in found if 0 <= page < PAGES]


def test_pages_that_a_fork_has_written_are_found_and_no_shared_ones(shared: mmap.mmap) -> None:
    for child in fork_that_writes(shared, WRITTEN):
        found = used(child)
        assert within(found.written, first_page(shared)) == WRITTEN
        assert within(found.read, first_page(shared)) == []


def test_what_is_written_in_one_long_piece_is_data(shared: mmap.mmap) -> None:
    for child in fork_that_writes(shared, [*range(1, 500), 599]):
        assert within(used(child).written, first_page(shared)) == [599]


def test_pages_of_files_that_were_looked_at_are_found(tmp_path: Path) -> None:
    (tmp_path / "library.so").write_bytes(b"x" * PAGES * mmap.PAGESIZE)
    with (tmp_path / "library.so").open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        assert memory[7 * mmap.PAGESIZE] == ord("x")
        found = used(os.getpid())
        assert 7 in within(found.read, first_page(memory))
        assert within(found.written, first_page(memory)) == []


def test_memory_that_is_really_shared_is_nobodys() -> None:
    memory = mmap.mmap(-1, PAGES * mmap.PAGESIZE)
    for child in fork_that_writes(memory, WRITTEN):
        found = used(child)
        assert within(found.written, first_page(memory)) == within(found.read, first_page(memory)) == []


def test_whoever_has_ended_has_none() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(OSError):
        used(child)
