"""A 1 MB event and its answer, one client, beside the yardstick."""

from __future__ import annotations

from bench.context import Bench
from bench.findings import Findings, Goal, Sense, Table, median, ratio
from bench.servers.base import Running, echo_body
from bench.servers.product import Product
from bench.servers.yardstick import UvicornEcho

BYTES = 1 << 20
WARM_UP_CALLS = 20
LIMIT = 2.5


def measure(bench: Bench) -> Findings:
    """The time of one call, as a multiple of the yardstick's in the same round."""
    body = echo_body(BYTES)
    ours: list[float] = []
    theirs: list[float] = []
    errors = 0

    def p50_ms(it: Running) -> float:
        nonlocal errors
        result = bench.generator.send(it.load(body, 1, seconds=bench.sizes.seconds))
        errors += result.failed
        return result.p50_ms

    with bench.running(Product()) as product, bench.running(UvicornEcho()) as yardstick:
        for it in (product, yardstick):
            bench.generator.send(it.load(body, 1, calls=WARM_UP_CALLS))
        for round_ in range(bench.sizes.rounds):
            bench.say(f"large: round {round_ + 1} of {bench.sizes.rounds}")
            ours.append(p50_ms(product))
            theirs.append(p50_ms(yardstick))
    times = median(ratio(one, other) for one, other in zip(ours, theirs, strict=True))
    rows = [
        ["fclocal", f"{median(ours):.2f}", f"{times:.2f}"],
        ["uvicorn + starlette echo (a)", f"{median(theirs):.2f}", ""],
    ]
    note = f"{errors} calls failed" if errors else ""
    return Findings(
        [Table("1 MB event, 1 client", ["server", "p50 ms", "x (a)"], rows)],
        [
            Goal(
                "large.time",
                "time of a 1 MB echo, of the yardstick's",
                Sense.AT_MOST,
                LIMIT,
                None if errors else times,
                note,
            )
        ],
        {"product_ms": median(ours), "yardstick_ms": median(theirs), "ratio": times, "errors": errors},
    )
