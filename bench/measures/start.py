"""From the start of the process to its first answer: a project of ten functions beside a bare uvicorn."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable

from bench.context import POLL_SECONDS, READY_SECONDS, Bench
from bench.findings import Findings, Goal, Sense, Table, median, ratio
from bench.servers.base import Running, Server, ServerFailed, ask
from bench.servers.product import Product, endpoint_file
from bench.servers.yardstick import UvicornEcho

FUNCTIONS = tuple(f"function-{number}" for number in range(10))
LIMIT = 2.0


def measure(bench: Bench) -> Findings:
    """Medians of ratios, in turns. The product is ready when its endpoint file is there *and* its port answers."""
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(bench.sizes.samples):
        bench.say(f"start: {number + 1} of {bench.sizes.samples}")
        ours.append(_start_seconds(bench, Product(functions=FUNCTIONS), is_ready))
        theirs.append(_start_seconds(bench, UvicornEcho(), lambda it: _answers(it.port)))
    times = median(ratio(one, other) for one, other in zip(ours, theirs, strict=True))
    rows = [
        ["fclocal, 10 functions", f"{median(ours) * 1000:.0f}", f"{times:.2f}"],
        ["uvicorn + starlette echo (a)", f"{median(theirs) * 1000:.0f}", ""],
    ]
    return Findings(
        [Table("Start to ready", ["server", "ms", "x (a)"], rows)],
        [Goal("start.ready", "start to ready of 10 functions, of the yardstick's", Sense.AT_MOST, LIMIT, times)],
        {"product_ms": median(ours) * 1000, "yardstick_ms": median(theirs) * 1000, "ratio": times},
    )


def _start_seconds(bench: Bench, server: Server, ready: Callable[[Running], bool]) -> float:
    began = time.perf_counter()
    with bench.starting(server) as it:
        while time.perf_counter() < began + READY_SECONDS and not it.has_died:
            if ready(it):
                return time.perf_counter() - began
            time.sleep(POLL_SECONDS)
    raise ServerFailed(f"{server.name} was not ready: {it.process.log_tail()}")


def is_ready(it: Running) -> bool:
    """Whether the product says so, and its port answers."""
    try:
        data = json.loads(endpoint_file(it.process.log.parent).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(data["port"] == it.port) and _answers(it.port)


def _answers(port: int) -> bool:
    """Any answer counts: an invocation would add a cold start, which is another measure."""
    try:
        return ask(port, "GET", "/").status > 0
    except (OSError, http.client.HTTPException):
        return False
