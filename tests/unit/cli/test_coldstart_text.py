"""Cold starts for a terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from emulator.cli.coldstart_text import report
from emulator.cli.terminal import Paint, cell_width
from emulator.coldstart.advice import advise
from emulator.coldstart.evidence import Circumstances, Usage
from emulator.coldstart.summary import summarize
from emulator.model.coldstart import ColdStart
from tests.support.coldstarts import cold_start, several

USAGE = Usage(frozenset({"numpy"}), frozenset({"pandas"}))
GOLDEN = Path(__file__).parent / "coldstart_80.txt"


def text(runs: list[ColdStart], width: int, color: bool = False) -> str:
    summary = summarize(runs)
    assert summary is not None
    return report(summary, advise(summary, Circumstances("detect", usage=USAGE)), Paint(color), width)


def test_it_reads_as_it_was_drawn():
    assert text(several(), 80) == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [40, 57, 80, 110])
def test_no_line_is_wider_than_the_terminal(width):
    long = replace(cold_start().reads[0], path="/mnt/模型/" + "a" * 90 + "/model.bin")
    for line in text([cold_start(reads=(long,))], width).splitlines():
        can_be_copied = line.strip().startswith(("fclocal coldstart", "/mnt"))
        assert cell_width(line) <= width or can_be_copied, line


def test_without_a_terminal_lines_are_as_wide_as_a_person_reads():
    assert max(map(cell_width, text(several(), 10_000).splitlines())) <= 110


def test_colours_change_nothing_else():
    assert re.sub(r"\x1b\[\d+m", "", text(several(), 80, color=True)) == text(several(), 80)


def test_failed_runs_are_told():
    assert "1 more failed: it crashed" in text([cold_start(), cold_start(error="it crashed")], 80)


def test_a_cold_start_that_took_no_time_is_drawn():
    assert "total" in text([ColdStart("f", "c-1", 1, "spawned", 0.0, ())], 80)
