"""From a save to the first answer of the new code, beside a spawned interpreter; and whether an answer was ever old."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.context import Bench
from bench.editor import FIRST_VERSION, REST_SECONDS, Editor, edited
from bench.findings import Findings, Goal, Sense, Table, ratio
from bench.load import percentile
from bench.packages import packages
from bench.servers.product import Product

LIMIT_MS = 30.0
NEVER_RUN = '        return "here is a breakpoint"'
HANDLER = f"""\
{{imports}}

VERSION = {{version}}


def handler(event, context):
    if event == b"never":
{NEVER_RUN}
    {{work}}
    return str(VERSION)
"""
BREAKPOINT_LINE = 1 + HANDLER.split("\n").index(NEVER_RUN)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a handler imports, and the little that it does with it."""

    name: str
    imports: str
    work: str
    is_packaged: bool = True

    def text(self, version: int) -> str:
        return HANDLER.format(imports=self.imports, work=self.work, version=version)


STDLIB = Kind(
    "stdlib", "import asyncio, email.message, http.client, json, logging, urllib.request", "json.dumps({})", False
)
KINDS = (
    STDLIB,
    Kind("numpy", "import numpy", "numpy.arange(8).sum()"),
    Kind(
        "scikit-learn",
        "from sklearn.linear_model import LinearRegression",
        "LinearRegression().get_params()",
    ),
    Kind("torch", "import torch", "torch.ones(8).sum().item()"),
)


@dataclass(frozen=True, slots=True)
class Lane:
    """One way to run the emulator."""

    title: str
    flags: tuple[str, ...] = ()
    is_debugged: bool = False


DEFAULT = Lane("fclocal")
DEBUGGED = Lane("debugger attached", is_debugged=True)
FAITHFUL = Lane("--cold faithful", ("--cold", "faithful"))
LANES = (DEFAULT, DEBUGGED, FAITHFUL)


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of handler in one lane. `starts` says how many of its instances were started how."""

    kind: Kind
    lane: Lane
    taken_ms: Sequence[float]
    starts: Mapping[str, int]
    saves: int
    old_answers: int

    def ms(self, share: float) -> float:
        return percentile(sorted(self.taken_ms), share)


def measure(bench: Bench) -> Findings:
    """All kinds of handlers, one after the other; the lanes of one take turns."""
    layer, absent = packages(bench)
    rows: list[Row] = []
    for kind in KINDS:
        if layer is not None or not kind.is_packaged:
            rows += _rows(bench, kind, layer if kind.is_packaged else None)
    quick = _quick(bench)
    tables = [_table(rows, absent), _quick_table(rows, quick)]
    return Findings(tables, [*_goals(rows, absent), _old_goal(rows, quick)], _figures(rows, quick))


def _rows(bench: Bench, kind: Kind, layer: Path | None) -> list[Row]:
    """Saves after each of which somebody looks at the answer."""
    taken: dict[Lane, list[float]] = {lane: [] for lane in LANES}
    with ExitStack() as stack:
        editors = {lane: stack.enter_context(_edited(bench, kind, lane, layer)) for lane in LANES}
        for lane, editor in editors.items():
            bench.say(f"reload: {kind.name}, {lane.title}, warming up")
            if lane is not FAITHFUL:
                editor.settle()
        before = {lane: len(editor.starts()) for lane, editor in editors.items()}
        for number in range(bench.sizes.saves):
            if number % 5 == 0:
                bench.say(f"reload: {kind.name}, save {number + 1} of {bench.sizes.saves}")
            for lane, editor in editors.items():
                # A spawned interpreter takes its time, and is there for comparison only.
                if lane is not FAITHFUL or number < bench.sizes.samples:
                    taken[lane].append(editor.save())
                    time.sleep(REST_SECONDS)
        return [
            Row(kind, lane, taken[lane], Counter(it.starts()[before[lane] :]), it.saves, it.old_answers)
            for lane, it in editors.items()
        ]


def _quick(bench: Bench) -> Row:
    """Saves without a rest, every other one in place and by a new file in its place."""
    bench.say(f"reload: {bench.sizes.quick_saves} saves in a row")
    with _edited(bench, STDLIB, DEFAULT, None) as it:
        taken = [it.save(replaces=number % 2 == 1) for number in range(bench.sizes.quick_saves)]
        return Row(STDLIB, DEFAULT, taken, Counter(it.starts()), it.saves, it.old_answers)


def _edited(bench: Bench, kind: Kind, lane: Lane, layer: Path | None) -> AbstractContextManager[Editor]:
    code = kind.text(FIRST_VERSION)
    product = Product(flags=("--json", *lane.flags), handler=code, layer=layer, memory_mb=2048)
    return edited(bench, product, kind.text, BREAKPOINT_LINE if lane.is_debugged else 0)


# --- what is told ---


def _table(rows: Sequence[Row], absent: str) -> Table:
    cells = [_cells(row, rows) for row in rows]
    missing = [[kind.name, f"no figure: {absent}"] for kind in KINDS if all(row.kind is not kind for row in rows)]
    columns = ["handler", "p50 ms", "p90 ms", "x faithful", "instances"]
    return Table("Save to first new answer", columns, [*cells, *missing])


def _cells(row: Row, rows: Sequence[Row]) -> list[str]:
    faithful = next(it.ms(0.5) for it in rows if it.kind is row.kind and it.lane is FAITHFUL)
    p50, p90 = row.ms(0.5), row.ms(0.9)
    return [
        f"{row.kind.name}, {row.lane.title}",
        f"{p50:.1f}",
        f"{p90:.1f}",
        f"{ratio(p50, faithful):.2f}",
        _starts(row),
    ]


def _starts(row: Row) -> str:
    return ", ".join(f"{count} {start}" for start, count in row.starts.items())


def _quick_table(rows: Sequence[Row], quick: Row) -> Table:
    columns = ["", "saves", "old answers", "p50 ms", "p90 ms", "instances"]
    cells = [f"{quick.saves}", f"{quick.old_answers}", f"{quick.ms(0.5):.1f}", f"{quick.ms(0.9):.1f}", _starts(quick)]
    above = [f"{sum(row.saves for row in rows)}", f"{sum(row.old_answers for row in rows)}", "", "", ""]
    return Table("Saves in a row", columns, [["without a rest, stdlib", *cells], ["all above", *above]])


def _goals(rows: Sequence[Row], absent: str) -> Iterator[Goal]:
    for kind in KINDS:
        for lane in (DEFAULT, DEBUGGED):
            value = next((row.ms(0.5) for row in rows if row.kind is kind and row.lane is lane), None)
            name = f"reload.{kind.name}{'.debugger' * lane.is_debugged}"
            text = f"ms from save to first new answer, {kind.name}{', debugger attached' * lane.is_debugged}"
            yield Goal(name, text, Sense.AT_MOST, LIMIT_MS, value, "" if value else absent)


def _old_goal(rows: Sequence[Row], quick: Row) -> Goal:
    old = sum(row.old_answers for row in (*rows, quick))
    return Goal("reload.old", "answers of the old code after a save", Sense.AT_MOST, 0, float(old))


def _figures(rows: Sequence[Row], quick: Row) -> dict[str, object]:
    return {**{f"{row.kind.name}, {row.lane.title}": _of(row) for row in rows}, "in a row": _of(quick)}


def _of(row: Row) -> dict[str, object]:
    return {
        "p50_ms": row.ms(0.5),
        "p90_ms": row.ms(0.9),
        "measured": len(row.taken_ms),
        "starts": dict(row.starts),
        "saves": row.saves,
        "old_answers": row.old_answers,
    }
