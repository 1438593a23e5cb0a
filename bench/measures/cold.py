"""A cold start with walls, from the request to the answer, beside the bare interpreter with the same imports."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from bench.context import Bench
from bench.findings import Findings, Goal, Sense, Table, median, ratio
from bench.interpreter import TELLS, interpreter
from bench.load import OK
from bench.servers.base import Running, ServerFailed, ask
from bench.servers.product import Product, invoke_path

# What a function that calls web services imports; the whole standard library would flatter us, and no import would
# measure the interpreter's own start against itself.
MODULES = ("asyncio", "email.message", "http.client", "json", "logging", "urllib.request")
IMPORTS = f"import {', '.join(MODULES)}"
HANDLER = f"{IMPORTS}\n{TELLS}"
LIMIT = 1.5


def measure(bench: Bench) -> Findings:
    """A project of many functions gives as many cold starts, one at a time, in turns with the bare interpreter."""
    names = tuple(f"cold-{number}" for number in range(bench.sizes.samples + 1))
    ours: list[float] = []
    bare: list[float] = []
    with bench.running(Product(handler=HANDLER, functions=names)) as product:
        python = interpreter(product, invoke_path(names[0]))
        for name in names[1:]:
            bench.say(f"cold: {len(ours) + 1} of {bench.sizes.samples}")
            ours.append(_cold_seconds(product, name))
            bare.append(_bare_seconds(python))
    times = median(ratio(one, other) for one, other in zip(ours, bare, strict=True))
    rows = [
        ["fclocal, request to answer", f"{median(ours) * 1000:.0f}", f"{times:.2f}"],
        [f"{python.name} -c '{IMPORTS}'", f"{median(bare) * 1000:.0f}", ""],
    ]
    return Findings(
        [Table("Cold start with walls", ["", "ms", "x bare"], rows)],
        [Goal("cold.start", "cold start, of a bare import of the same modules", Sense.AT_MOST, LIMIT, times)],
        {"product_ms": median(ours) * 1000, "bare_ms": median(bare) * 1000, "ratio": times, "modules": list(MODULES)},
    )


def _cold_seconds(product: Running, name: str) -> float:
    began = time.perf_counter()
    answer = ask(product.port, "POST", invoke_path(name), "{}")
    if answer.status != OK:
        raise ServerFailed(f"the cold start of {name} failed: {answer.status} {answer.text[:200]}")
    return time.perf_counter() - began


def _bare_seconds(python: Path) -> float:
    began = time.perf_counter()
    subprocess.run([str(python), "-c", IMPORTS], check=True, stdin=subprocess.DEVNULL)
    return time.perf_counter() - began
