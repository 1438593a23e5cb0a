"""What it costs a cold start to be taken apart: with and without, in turns, by what a handler imports."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench.context import Bench
from bench.findings import Findings, Goal, Sense, Table, median, ratio
from bench.load import OK
from bench.packages import packages
from bench.servers.base import Launch, Running, ServerFailed, ask
from bench.servers.product import Product, invoke_path

MODES = {"taken apart": (), "plain": ("--no-trace",)}
LIMIT = 1.05
# Two starts differ by more than what is looked for: it takes many.
TIMES = 4
SMALL = 300
ENDS = """
import os


def handler(event, context):
    if event == b"end":
        os._exit(0)
    return event
"""
NUMPY = "numpy"
HANDLERS = {
    "the standard library": "import asyncio, email.message, http.client, json, logging, urllib.request\n",
    NUMPY: "import numpy\n",
    f"{SMALL} small modules": "import many\n",
}
REST_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Many:
    """The product over a code folder with many small modules in it."""

    product: Product
    name: str = "fclocal"
    title: str = "fclocal"

    def prepare(self) -> str:
        return self.product.prepare()

    def launch(self, folder: Path, port: int) -> Launch:
        launch = self.product.launch(folder, port)
        package = folder / "code" / "many"
        package.mkdir()
        names = [f"part_{number:03}" for number in range(SMALL)]
        for name in names:
            (package / f"{name}.py").write_text(f"def {name}():\n    return {name!r}\n", encoding="utf-8")
        (package / "__init__.py").write_text("".join(f"from . import {name}\n" for name in names), encoding="utf-8")
        return launch


def measure(bench: Bench) -> Findings:
    """Instances end themselves between two starts; a first round fills caches and does not count."""
    rows, goals, figures = [], [], {}
    for title, imports in HANDLERS.items():
        layer, absent = packages(bench) if title == NUMPY else (None, "")
        if absent:
            goals.append(_goal(title, None, absent))
            continue
        times = figures[title] = _times(bench, title, Product(handler=imports + ENDS, layer=layer))
        part = ratio(*map(_quick, times.values()))
        rows.append([title, *(f"{_quick(found):.1f}" for found in times.values()), f"{part:.3f}"])
        goals.append(_goal(title, part))
    columns = ["imports", *(f"{mode}, ms" for mode in MODES), "x"]
    return Findings([Table("Cold starts, taken apart and not", columns, rows)], goals, figures)


def _goal(title: str, value: float | None, note: str = "") -> Goal:
    name = f"coldstart.{title.rpartition(' ')[2]}"
    return Goal(name, f"a cold start taken apart, with {title}", Sense.AT_MOST, LIMIT, value, note)


def _times(bench: Bench, title: str, product: Product) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {mode: [] for mode in MODES}
    with ExitStack() as stack:
        running: dict[str, Running] = {}
        for mode, flags in MODES.items():
            server = Many(replace(product, flags=("--cold", "faithful", *flags)))
            running[mode] = stack.enter_context(bench.running(server))
        samples = bench.sizes.samples * TIMES
        for number in range(samples + 1):
            bench.say(f"coldstart, {title}: {number} of {samples}")
            # In turns, and each first as often as the other.
            for mode in list(MODES)[:: 1 if number % 2 else -1]:
                took = _cold_ms(running[mode])
                if number:
                    times[mode].append(took)
    return times


def _quick(times: list[float]) -> float:
    """The middle of the quicker half: what else the machine does makes a start longer, and never shorter."""
    return median(sorted(times)[: len(times) // 2 + 1])


def _cold_ms(it: Running) -> float:
    path = invoke_path("echo")
    ask(it.port, "POST", path, "end")
    time.sleep(REST_SECONDS)
    began = time.perf_counter()
    answer = ask(it.port, "POST", path, "{}")
    milliseconds = (time.perf_counter() - began) * 1000
    if answer.status != OK:
        raise ServerFailed(f"a cold start failed: {answer.status} {answer.text[:200]}")
    return milliseconds
