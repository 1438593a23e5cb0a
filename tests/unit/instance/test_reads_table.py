"""The table of file reads as it lies in memory that any process of a function may have written to."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from emulator.instance.reads import Table, parsed
from emulator.model.coldstart import FileRead

ROWS, NAMES = 4096, 1 << 20
MS = 1_000_000


def table(*rows: tuple[str, tuple[int, ...]], clock_ns: int = 0, calls: int = 0, own_ns: int = 0) -> bytes:
    """`rows` are names with size, read, mapped, busy_ns, first_ns and times."""
    names, packed = b"", b""
    for number, (name, (size, read, mapped, busy, first, times)) in enumerate(rows, 1):
        path = name.encode()
        packed += struct.pack("<6Q4I", number, size, read, mapped, busy, first, times, len(path), len(names), 0)
        names += path
    head = struct.pack("<2I5Q2Q", 0, 0, clock_ns, calls, own_ns, 0, len(names), 0, 0)
    return head + packed.ljust(ROWS * 64, b"\0") + names.ljust(NAMES, b"\0")


def test_rows_come_in_the_order_of_their_first_read() -> None:
    found = parsed(
        table(
            ("/code/b", (10, 20, 0, 3 * MS, 9 * MS, 2)),
            ("/code/a", (5, 0, 5, MS, 7 * MS, 1)),
            clock_ns=50,
            calls=20_000,
            own_ns=2 * MS,
        )
    )
    assert found == Table(
        (FileRead("/code/a", 5, 0, 5, 1, 7.0, 1.0), FileRead("/code/b", 10, 20, 0, 2, 9.0, 3.0)), 3.0, 0
    )


def test_a_file_that_took_the_place_of_another_counts_with_it() -> None:
    rows = (("/code/a", (5, 5, 0, MS, 8 * MS, 1)), ("/code/a (deleted)", (4, 4, 0, MS, 7 * MS, 1)))
    assert parsed(table(*rows)).reads == (FileRead("/code/a", 5, 9, 0, 2, 7.0, 2.0),)


def test_what_was_opened_for_nothing_yet_or_has_no_name_is_left_out() -> None:
    assert parsed(table(("/code/a", (5, 0, 0, 0, 0, 0)), ("", (5, 5, 0, 0, 0, 1)))).reads == ()


@given(st.binary(max_size=400), st.integers(0, ROWS * 64))
def test_whatever_a_function_writes_there_is_read_without_an_error(garbage: bytes, at: int) -> None:
    whole = bytearray(table(("/code/a", (5, 5, 0, 0, 0, 1))))
    whole[at : at + len(garbage)] = garbage
    assert isinstance(parsed(bytes(whole)), Table)
