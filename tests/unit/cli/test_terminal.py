"""What fits on a terminal, in cells, and when it is coloured."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.cli.terminal import Terminal, cell_width, columns, cut, pad, wants_color


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("text", "cells"), [("abc", 3), ("函数", 4), ("e\u0301", 1), ("", 0), ("ｆ", 2)])
def test_a_chinese_character_takes_two_cells_and_a_combining_mark_none(text, cells):
    assert cell_width(text) == cells


@given(st.text(), st.integers(1, 40))
def test_cut_text_fits_and_keeps_its_beginning(text, width):
    shown = cut(text, width)
    assert cell_width(shown) <= width
    assert shown == text or (shown.endswith("…") and text.startswith(shown[:-1]))


@given(st.lists(st.tuples(*[st.text("a函 ", max_size=6)] * 3), min_size=1, max_size=5))
def test_columns_begin_at_the_same_cell_in_every_line(rows):
    widths = [max(cell_width(row[i]) for row in rows) for i in range(2)]
    expected = [f"{pad(a, widths[0])}  {pad(b, widths[1])}  {c}".rstrip() for a, b, c in rows]
    assert columns(rows) == expected


@pytest.mark.parametrize(
    ("stream", "choice", "env", "wanted"),
    [
        (Screen(), "auto", {}, True),
        (Screen(), "auto", {"NO_COLOR": "1"}, False),
        (Screen(), "auto", {"NO_COLOR": ""}, True),  # no-color.org: only when it is not empty
        (Screen(), "auto", {"TERM": "dumb"}, False),
        (Screen(), "never", {}, False),
        (io.StringIO(), "auto", {}, False),
        (io.StringIO(), "always", {"NO_COLOR": "1"}, True),
    ],
)
def test_colours_are_for_terminals_unless_somebody_chose(stream, choice, env, wanted):
    assert wants_color(stream, choice, env) is wanted


def test_words_for_a_person_who_left_are_no_failure():
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    Terminal(io.StringIO(), Gone(), {}).tell("anybody?")
