"""Cold starts by a parked spare, by a fork and by a spawned interpreter, side by side; a burst; memory of idle ones."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.context import BODY_BYTES, Bench
from bench.event_log import events
from bench.findings import Findings, Goal, Sense, Table, median
from bench.load import OK
from bench.packages import packages
from bench.servers.base import Running, ServerFailed, ask, echo_body
from bench.servers.product import Product
from bench.tree import below, pss_mib

# Ends its instance, or holds it, where the event says so.
HANDLER = """\
{imports}
import json, os, time


def handler(event, context):
    order = json.loads(event)
    if "end" in order:
        os._exit(0)
    time.sleep(order.get("hold", 0))
    return event
"""
MODES = {
    "spare": ("--cold", "auto", "--spares", "1"),
    "fork": ("--cold", "auto", "--spares", "0"),
    "spawn": ("--cold", "faithful"),
}
SPARE_MS, FORK_MS, HEAVY_FORK_MS = 10.0, 50.0, 80.0
BURST_SECONDS = 2.0
ALIVE = 20
TEMPLATE_SECONDS = 180.0
# Until a spare is parked again.
REST_SECONDS = 0.6
HOLD_SECONDS = 6.0
FIRST_PROCESS = b"\x002147483647\0"


@dataclass(frozen=True, slots=True)
class Kind:
    """A handler by what it imports; `pss_mib` is what an idle instance of it may take at most."""

    name: str
    imports: str
    fork_ms: float
    pss_mib: float

    @property
    def is_packaged(self) -> bool:
        return bool(self.imports)

    def product(self, mode: str, layer: Path | None) -> Product:
        handler = HANDLER.format(imports=self.imports)
        return Product(flags=("--json", "--no-reload", *MODES[mode]), handler=handler, layer=layer)


KINDS = (
    Kind("stdlib", "", FORK_MS, 5),
    Kind("numpy", "import numpy", FORK_MS, 6),
    Kind("scikit-learn", "import sklearn.linear_model", HEAVY_FORK_MS, 12),
    Kind("torch", "import torch", HEAVY_FORK_MS, 16),
)


def measure(bench: Bench) -> Findings:
    """Each kind of handler in turn, its three ways of starting in turns with each other."""
    layer, absent = packages(bench)
    rows: list[list[str]] = []
    goals: list[Goal] = []
    figures: dict[str, object] = {}
    for kind in KINDS:
        if kind.is_packaged and layer is None:
            goals += _goals(kind, {}, None, absent)
            rows.append([kind.name, f"no figure: {absent}"])
            continue
        times, pss = _measured(bench, kind, layer if kind.is_packaged else None)
        goals += _goals(kind, times, pss, "")
        rows.append([kind.name, *(f"{median(times[mode]):.1f}" for mode in MODES), f"{pss:.1f}"])
        figures[kind.name] = {"ms": times, "pss_mib": pss}
    goals.append(_burst(bench, KINDS[0]))
    columns = ["handler", "spare ms", "fork ms", "spawn ms", f"PSS MiB, {ALIVE} alive"]
    return Findings([Table("Cold starts by template", columns, rows)], goals, figures)


def _goals(kind: Kind, times: dict[str, list[float]], pss: float | None, absent: str) -> Iterator[Goal]:
    limits = {"spare": SPARE_MS, "fork": kind.fork_ms}
    for mode, limit in limits.items():
        value = median(times[mode]) if times else None
        yield Goal(f"zygote.{mode}.{kind.name}", f"ms from a request to a {mode}", Sense.AT_MOST, limit, value, absent)
    yield Goal(f"zygote.pss.{kind.name}", "MiB of an idle instance", Sense.AT_MOST, kind.pss_mib, pss, absent)


def _measured(bench: Bench, kind: Kind, layer: Path | None) -> tuple[dict[str, list[float]], float]:
    """Milliseconds by mode, and the memory of an idle instance."""
    times: dict[str, list[float]] = {mode: [] for mode in MODES}
    with ExitStack() as stack:
        running = {mode: stack.enter_context(bench.running(kind.product(mode, layer))) for mode in MODES}
        for mode in ("spare", "fork"):
            _await_template(running[mode])
        for number in range(bench.sizes.samples):
            bench.say(f"zygote: {kind.name} {number + 1} of {bench.sizes.samples}")
            for mode, it in running.items():
                ask(it.port, "POST", it.path, '{"end": 1}')
                time.sleep(REST_SECONDS)
                times[mode].append(_cold_ms(it))
        return times, _idle_mib(running["spare"])


def _await_template(it: Running) -> None:
    deadline = time.monotonic() + TEMPLATE_SECONDS
    while time.monotonic() < deadline:
        ask(it.port, "POST", it.path, '{"end": 1}')
        _cold_ms(it)
        starts = [event["start"] for event in events(it.process.log) if event["kind"] == "instance_started"]
        if starts[-1] != "spawn":
            return
        time.sleep(REST_SECONDS)
    raise ServerFailed(f"no template was made in {TEMPLATE_SECONDS:.0f} s")


def _cold_ms(it: Running) -> float:
    began = time.perf_counter()
    answer = ask(it.port, "POST", it.path, "{}")
    if answer.status != OK:
        raise ServerFailed(f"a cold start failed: {answer.status} {answer.text[:200]}")
    return (time.perf_counter() - began) * 1000


def _burst(bench: Bench, kind: Kind) -> Goal:
    calls = bench.sizes.burst
    with bench.running(kind.product("spare", None)) as it:
        _await_template(it)
        load = it.load(echo_body(BODY_BYTES), calls, calls=1, patience_seconds=60)
        ask(it.port, "POST", it.path, '{"end": 1}')
        time.sleep(REST_SECONDS)
        bench.say(f"zygote: {calls} calls at once")
        result = bench.generator.send(load)
    note = f"{result.failed} failed" if result.failed else ""
    seconds = result.total_seconds if not result.failed else float("inf")
    text = f"s until {calls} cold calls at once are served"
    return Goal("zygote.burst", text, Sense.AT_MOST, BURST_SECONDS, seconds, note)


def _idle_mib(it: Running) -> float:
    """Of each of many instances that are held alive together, with the process that is the first of its namespaces."""
    hold = json.dumps({"hold": HOLD_SECONDS})
    threads = [threading.Thread(target=ask, args=(it.port, "POST", it.path, hold)) for _ in range(ALIVE)]
    for thread in threads:
        thread.start()
    time.sleep(HOLD_SECONDS / 2)
    found = [pss_mib(pid) for pid in below(it.process.pid) if _of_an_instance(pid)]
    for thread in threads:
        thread.join()
    return sum(found) / ALIVE


def _of_an_instance(pid: int) -> bool:
    """A fork shows an environment of its own, and the first process of its namespaces sleeps for ever."""
    if _read(pid, "cmdline").endswith(FIRST_PROCESS):
        return True
    entries = _read(pid, "environ").split(b"\0")
    is_fork = any(entry.startswith(b"FC_INSTANCE_ID=") for entry in entries)
    return is_fork and not any(entry.startswith(b"FCLOCAL_TEMPLATE=") for entry in entries)


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
