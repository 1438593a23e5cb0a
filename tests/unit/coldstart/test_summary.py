"""Several cold starts as one."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from emulator.coldstart.bars import bars
from emulator.coldstart.summary import UNNAMED, figure, kind_of, package_of, summarize
from emulator.model.coldstart import Import, Phase
from tests.support.coldstarts import cold_start, several


def test_there_is_no_summary_where_nothing_succeeded():
    assert summarize([cold_start(error="it crashed")]) is None


def test_failed_runs_are_told_and_do_not_count():
    summary = summarize([cold_start(), cold_start(error="it crashed", total_ms=1.0)])
    assert summary is not None
    assert (summary.failed, summary.total.values) == (("it crashed",), (1520.0,))


def test_the_typical_run_is_the_one_in_the_middle():
    summary = summarize(several((3.0, 1.0, 2.0, 5.0)))
    assert summary is not None
    assert summary.typical_run.instance_id == "c-3"


def test_figures():
    numbers = figure([float(n) for n in range(1, 22)])
    assert (numbers.median, numbers.p95, numbers.spread) == (11, 20, 10)
    assert figure([7.0]).spread == 0


def test_phases_come_in_the_order_of_their_tree_and_add_up():
    summary = summarize(several())
    assert summary is not None
    names = [row.path[-1] for row in summary.phases]
    assert names == [phase.name for phase in cold_start().phases] + [UNNAMED]
    outer = sum(row.ms.values[0] for row in summary.phases if len(row.path) == 1)
    assert outer == pytest.approx(summary.total.values[0])


def test_a_phase_that_only_some_runs_have_took_nothing_in_the_others():
    pulled = cold_start(phases=(Phase("create", 0, 9), Phase("image_pull", 1, 5, 0)), total_ms=9.0)
    summary = summarize([cold_start(), pulled])
    assert summary is not None
    pull = next(row for row in summary.phases if row.path == ("create", "image_pull"))
    assert pull.ms.values == (0.0, 5.0)
    places = [row.path for row in summary.phases]
    assert places.index(("create",)) < places.index(("create", "image_pull")) < places.index(("runtime",))


def test_the_time_of_a_package_counts_once_where_its_modules_import_each_other():
    summary = summarize([cold_start()])
    assert summary is not None
    rows = {row.name: row for row in summary.packages}
    assert (rows["pandas"].total_ms, rows["pandas"].self_ms, rows["pandas"].modules) == (510, 360, 2)
    assert rows["numpy"].total_ms == 120


@pytest.mark.parametrize(
    ("name", "file", "package"),
    [
        ("numpy.core.multiarray", "", "numpy"),
        ("index", "/code/index.py", "index"),
        ("/code/node_modules/@scope/name/lib/a.js", "", "@scope/name"),
        ("express", "/code/node_modules/express/index.js", "express"),
        ("./lib/mine", "/code/lib/mine.js", "./lib/mine"),
    ],
)
def test_the_package_of_a_module(name, file, package):
    assert package_of(Import(name, 0, 1, 1, file=file)) == package


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/code/model.bin", "data"),
        ("/code/__pycache__/index.cpython-310.pyc", "bytecode"),
        ("/code/node_modules/a/index.js", "source"),
        ("/usr/lib/libc.so.6", "library"),
        ("/code/numpy/core.cpython-310-x86_64-linux-gnu.so", "library"),
        ("/code/lib.so.d/notes", "data"),
    ],
)
def test_what_a_file_is_for(path, kind):
    assert kind_of(path) == kind


# --- rows of a waterfall ---


def test_imports_and_reads_stand_below_the_phase_in_which_they_began():
    rows = [(bar.kind, bar.name, bar.depth) for bar in bars(cold_start())]
    load = rows.index(("phase", "load", 0))
    assert rows[load + 1 : load + 4] == [
        ("import", "index", 1),
        ("import", "slow_settings", 2),
        ("import", "pandas", 2),
    ]
    assert rows[rows.index(("phase", "initializer", 0)) + 1] == ("read", "/code/model.bin", 1)


def test_what_is_too_short_to_see_is_left_out_and_what_is_unnamed_is_told():
    run = cold_start()
    assert all(bar.kind == "phase" or bar.duration_ms >= run.total_ms / 100 for bar in bars(run))
    later = bars(replace(run, total_ms=2000.0))[-1]
    assert (later.kind, later.duration_ms) == ("unnamed", pytest.approx(481.5))
