"""Budgets: what can be written, what holds, and what is named where it does not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from emulator.coldstart.budget import over, read_budget
from emulator.coldstart.compare import compare
from emulator.coldstart.study import Conditions, Package, Study, study_of
from emulator.model.errors import UserError
from tests.support.coldstarts import MB, cold_start, several


def study(*runs, package: Package = Package()) -> Study:  # noqa: B008 - frozen
    conditions = Conditions("detect", "python3.10", b"", package=package)
    return study_of(conditions, runs or tuple(several()))


def excesses(text: str, of: Study | None = None):
    return over(read_budget(text), of or study())


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("p95<1.7s", True),
        ("p95<1.6s", False),
        ("median<1.6s", True),
        ("max<1s", False),
        ("total<2s", True),
        ("total<1520ms", False),
        ("total<=1520ms", True),
        ("imports<800ms", False),
        ("load<900ms, initializer<700ms", True),
        ("initializer.p95<620ms", False),
        ("health_check<1ms", True),
        ("memory<121MB", True),
        ("memory<0.1GB", False),
        ("package<50mb", True),
    ],
)
def test_bounds_are_held_against_the_study(text, holds):
    assert (excesses(text) == []) is holds


def test_an_excess_names_the_largest_parts():
    [found] = excesses("total<1s")
    assert found.measured == pytest.approx(1520)
    assert found.largest == ("load 820 ms", "initializer 610 ms", "import of pandas 360 ms")
    [found] = excesses("imports<1ms")
    assert found.largest[0] == "import of pandas 360 ms"


def test_an_excess_names_what_grew_since_the_base():
    runs = several() * 2
    base = [replace(run, imports=tuple(it for it in run.imports if it.name != "slow_settings")) for run in runs]
    since = compare(base, runs, ("base", "new"), paired=False)
    [found] = over(read_budget("imports<500ms"), study(), since)
    assert found.grew[0].startswith("import of slow_settings: +30")


def test_the_size_of_the_package_counts_with_its_layers():
    [found] = excesses("package<5MB", study(cold_start(), package=Package(4 * MB, 3 * MB, 10)))
    assert found.measured == 7.0


@pytest.mark.parametrize(
    ("text", "message", "step"),
    [
        ("", "a budget has at least one bound", "p95<1.5s"),
        ("p95", "'p95' is no bound", "NAME<VALUE"),
        ("p95<fast", "'p95<fast' is no bound", "NAME<VALUE"),
        ("p95<1.5", "'p95<1.5' needs a unit: ms, s", "write 1.5ms"),
        ("p95<1.5MB", "needs a unit: ms, s", ""),
        ("package<2s", "needs a unit: KB, MB, GB", "write 2MB"),
        ("p95<1.2.3s", "'1.2.3' in 'p95<1.2.3s' is no number", "write such as 1.5"),
        ("import<1s", "'import' is not measured", "did you mean imports?"),
        ("wall<1s", "'wall' is not measured", "there are p95, "),
    ],
)
def test_what_can_not_be_read_is_named(text, message, step):
    with pytest.raises(UserError) as caught:
        read_budget(text)
    assert message in caught.value.message and step in caught.value.next_step
