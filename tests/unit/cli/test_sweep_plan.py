"""Which sizes a sweep tries, and which it takes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from emulator.cli.sweep_plan import Keep, Measured, Tried, cheapest, percentile, problem, read_keep, sizes, wanted
from emulator.model.errors import UserError
from emulator.model.function import Function, FunctionName, Gpu

FUNCTION = Function(FunctionName("f"), "python3.10", memory_mb=512, cpu=0.35)
CUSTOM = Function(FunctionName("f"), "custom.debian12", memory_mb=512, cpu=0.35)


def measured(size: Tried, ms: float, cu: str, **more: Any) -> Measured:
    return Measured(size, (ms,), (1000.0,), 30.0, Decimal(cu), {}, 2, **more)


def test_all_combinations_that_fc_takes_and_the_declared_size():
    found, refused = sizes(FUNCTION, [256, 1024], [0.25, 1], [])
    assert found == [Tried(256, 0.25, 1), Tried(512, 0.35, 1), Tried(1024, 0.25, 1), Tried(1024, 1, 1)]
    assert list(refused) == [Tried(256, 1, 1)] and "1 to 4 GB" in refused[Tried(256, 1, 1)]


def test_what_is_not_named_is_as_declared_or_the_nearest_that_fc_takes():
    assert sizes(FUNCTION, [128, 1024, 4096], [], [])[0] == [
        Tried(128, 0.1, 1),
        Tried(512, 0.35, 1),
        Tried(1024, 0.35, 1),
        Tried(4096, 1.0, 1),
    ]
    assert sizes(FUNCTION, [], [0.1, 2], [])[0] == [Tried(384, 0.1, 1), Tried(512, 0.35, 1), Tried(2048, 2, 1)]
    assert sizes(FUNCTION, [], [], [])[0] == [Tried(512, 0.35, 1)]


@pytest.mark.parametrize("memory", [*range(128, 4096, 64), 32_768])
def test_the_nearest_is_always_one_that_fc_takes(memory):
    assert sizes(FUNCTION, [memory], [], [])[1] == {}


@pytest.mark.parametrize(
    ("function", "size", "why"),
    [
        (FUNCTION, Tried(512, 0.35, 2), "one request at a time"),
        (CUSTOM, Tried(512, 0.35, 201), "1 to 200"),
        (CUSTOM, Tried(100, 0.05, 1), "128 to 32768"),
        (CUSTOM, Tried(130, 0.05, 1), "steps of 64"),
        (CUSTOM, Tried(512, 0.33, 1), "steps of 0.05"),
        (CUSTOM, Tried(512, 0.05, 1), "1 to 4 GB"),
        (CUSTOM, Tried(512, 0.35, 200), ""),
        (
            Function(FunctionName("f"), "custom-container", gpu=Gpu("fc.gpu.tesla.1", 16384)),
            Tried(512, 1, 1),
            "4 cores",
        ),
        (Function(FunctionName("f"), "custom-container", gpu=Gpu("fc.gpu.tesla.1", 16384)), Tried(16384, 8, 1), ""),
    ],
)
def test_why_fc_would_not_take_a_size(function, size, why):
    assert (why in problem(function, size)) if why else problem(function, size) == ""


def test_limits_are_read():
    assert read_keep("p95<500ms, cold <= 1.5s") == [Keep("p95", 500.0, less=True), Keep("cold", 1500.0)]
    assert read_keep("") == []
    for text in ("p95", "p95<500", "p42<1s", "p95>1s", "p95<1s,"):
        with pytest.raises(UserError):
            read_keep(text)


def test_the_cheapest_that_keeps_it():
    slow, fast, dear = Tried(128, 0.05, 1), Tried(512, 0.35, 1), Tried(1024, 1, 1)
    found = [measured(slow, 600, "1"), measured(fast, 100, "2"), measured(dear, 50, "3")]
    best = cheapest(found, [Keep("p95", 500)])
    assert best is not None and best.size == fast
    assert cheapest(found, [Keep("p95", 50, less=True)]) is None and cheapest(found, [Keep("p95", 50)]) is not None
    assert cheapest(found, [Keep("p95", 10)]) is None
    assert cheapest(found, [Keep("cold", 999)]) is None
    failing = [measured(fast, 100, "2", failed=1), measured(dear, 50, "3")]
    best = cheapest(failing, [Keep("p95", 500)])
    assert best is not None and best.size == dear


def test_without_limits_the_declared_size_is_the_measure():
    own = Tried(512, 0.35, 1)
    assert wanted([], [measured(own, 100, "2")], FUNCTION) == [Keep("p95", 110.0)]
    assert wanted([], [measured(own, 100, "2", failed=1)], FUNCTION) == []
    assert wanted([Keep("p50", 1)], [measured(own, 100, "2")], FUNCTION) == [Keep("p50", 1)]


def test_a_percentile_is_a_value_that_was_measured():
    assert [percentile([3.0, 1.0, 2.0], share) for share in (0.0, 0.5, 0.95, 1.0)] == [1.0, 2.0, 3.0, 3.0]
    assert percentile([], 0.5) == 0.0
