"""Lines out of pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.instance.lines import Lines, LineTooLong


@given(st.lists(st.binary(max_size=8).map(lambda it: it.replace(b"\0", b"\n"))))
def test_however_it_is_cut_the_lines_are_the_same(pieces: list[bytes]) -> None:
    lines = Lines(1000)
    found = [line for piece in pieces for line in lines.feed(piece)]
    assert found == b"".join(pieces).split(b"\n")[:-1]


def test_a_line_without_an_end_is_refused_and_a_long_one_before_it_is_not_held_against_it() -> None:
    lines = Lines(10)
    assert lines.feed(b"0123456789\n01234") == [b"0123456789"]
    assert lines.feed(b"56789") == []
    with pytest.raises(LineTooLong):
        lines.feed(b"x")
