"""Two studies side by side: the verdict, its words, and what explains it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from emulator.coldstart.compare import ENOUGH_RUNS, Comparison, causes, compare
from emulator.coldstart.statistics import Verdict
from emulator.coldstart.wording import in_words, saving, verdict_text, why
from emulator.model.coldstart import ColdStart, Import
from tests.support.coldstarts import cold_start, scaled, several

NAMES = ("base", "this code")
ROUNDS = (1.0, 1.1, 0.9, 1.02, 0.98, 1.3, 0.95, 1.0, 1.01, 0.99)


def longer(run: ColdStart, phase: str, by: float) -> ColdStart:
    """One phase, and so the whole, takes more."""
    phases = tuple(replace(it, duration_ms=it.duration_ms + by * (it.name == phase)) for it in run.phases)
    return replace(run, total_ms=run.total_ms + by, phases=phases)


def paired(base: list[ColdStart], new: list[ColdStart]) -> Comparison:
    return compare(base, new, NAMES, paired=True)


def test_the_same_is_no_difference_and_has_no_cause():
    runs = several(ROUNDS)
    found = paired(runs, runs)
    assert found.verdict is Verdict.SAME and causes(found) == []
    assert in_words(found) == "no difference (95 %: 0.0..0.0 %)"


def test_a_slower_phase_is_the_cause_and_not_what_is_around_it():
    base = several(ROUNDS)
    new = [longer(longer(run, "bootstrap", 200), "runtime", 0) for run in base]
    new = [longer(run, "runtime", 200) for run in new]
    new = [replace(run, total_ms=run.total_ms - 200) for run in new]  # the parent's time is that of its part
    found = paired(base, new)
    assert found.verdict is Verdict.SLOWER
    assert in_words(found).startswith("this code is 13 % slower (95 %: 1")
    assert [it.name for it in causes(found)] == ["bootstrap"]
    assert why(causes(found)[0]).startswith("bootstrap: +200.0 ms (35.")


def test_a_new_import_is_the_cause_and_not_the_loading_around_it():
    base = several(ROUNDS)
    grown = Import("sklearn", 600.0, 300.0, 300.0, 0, "/code/python/sklearn/__init__.py")
    new = [replace(longer(run, "load", 300), imports=(*run.imports, grown)) for run in base]
    found = paired(base, new)
    assert [(it.kind, it.name) for it in causes(found)] == [("import", "sklearn")]
    assert why(causes(found)[0]) == "import of sklearn: +300.0 ms (0.0 → 300.0 ms)"


def test_what_is_gone_makes_it_faster():
    base = several(ROUNDS)
    new = [longer(run, "initializer", -400) for run in base]
    found = paired(base, new)
    assert found.verdict is Verdict.FASTER
    assert in_words(found).startswith("this code is 26 % faster (95 %: 2")
    assert [it.name for it in causes(found)] == ["initializer"]


def test_studies_of_different_times_are_compared_too():
    found = compare(several(ROUNDS), [scaled(run, 1.5, "c") for run in several(ROUNDS)], NAMES, paired=False)
    assert found.verdict is Verdict.SLOWER and not found.paired


@pytest.mark.parametrize("is_paired", [True, False])
def test_below_ten_runs_on_either_side_nothing_is_certain(is_paired: bool):
    few = several(ROUNDS[:-1])
    many = few if is_paired else several(ROUNDS)
    for base, new in ((few, many), (many, few)):
        found = compare(base, [longer(run, "load", 900) for run in new], NAMES, paired=is_paired)
        assert found.verdict is Verdict.TOO_FEW
        assert causes(found) == [] and not any(part.certain for part in found.parts)
        told = verdict_text(found)
        assert told.en == in_words(found) == "too few runs to tell: 9, and each side needs at least 10"
        assert "9 次" in told.zh and "10 次" in told.zh
        assert saving(found).startswith("was measured too few times")


def test_times_that_scatter_are_said_to_hide_something():
    base = [scaled(cold_start(), factor, "c") for factor in (1.0, 2.0, 0.7, 1.4) * 3]
    new = [scaled(cold_start(), factor, "c") for factor in (1.3, 0.8, 1.9, 1.0) * 3]
    found = paired(base, new)
    assert found.wide and "may hide in what times scatter here: use more rounds, by -n" in in_words(found)


def test_what_was_not_imported_often_still_counts():
    one = cold_start()
    found = paired([one] * ENOUGH_RUNS, [replace(one, imports=())] * ENOUGH_RUNS)
    assert {it.name: it.new_ms for it in found.parts if it.kind == "import"}["pandas"] == 0.0


def test_where_times_scatter_the_verdict_is_by_what_instances_take_themselves():
    scatter = (1.0, 2.0, 0.7, 1.4, 1.1, 0.8, 1.7, 1.3, 0.9, 1.6)
    base = [replace(scaled(cold_start(), factor, "c"), own_ms=100.0) for factor in scatter]
    new = [replace(scaled(cold_start(), factor, "c"), own_ms=112.0) for factor in reversed(scatter)]
    found = paired(base, new)
    assert found.by_own and found.verdict is Verdict.SLOWER and not found.wide
    assert in_words(found) == "this code is 12 % slower (95 %: 12..12 %) of its own time (the machine has other work)"
    assert not paired(base, [replace(run, own_ms=0.0) for run in new]).by_own  # nobody looked


def test_where_times_are_steady_all_of_them_counts():
    base = [replace(cold_start(), own_ms=100.0)] * ENOUGH_RUNS
    found = paired(base, [replace(longer(run, "create", 300), own_ms=100.0) for run in base])
    assert not found.by_own and found.verdict is Verdict.SLOWER
