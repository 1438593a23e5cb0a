"""The table on the screen and the file `bench/results.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.context import Entrant
from bench.findings import Figures, Findings, Goal, Table, Verdict

SCHEMA = 1
DIGITS = 4


@dataclass(frozen=True, slots=True)
class Report:
    """All of one run. `faults` says why a whole measure gave nothing."""

    began: str
    took_seconds: float
    sizes: Figures
    machine: Figures
    entrants: Sequence[Entrant]
    found: Mapping[str, Findings]
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def goals(self) -> list[Goal]:
        return [goal for findings in self.found.values() for goal in findings.goals]

    @property
    def is_passed(self) -> bool:
        """True where every goal was measured and reached."""
        return not self.faults and all(goal.verdict is Verdict.PASS for goal in self.goals)

    def data(self) -> dict[str, object]:
        """What results.json holds."""
        return {
            "schema": SCHEMA,
            "began": self.began,
            "took_seconds": self.took_seconds,
            "sizes": self.sizes,
            "machine": self.machine,
            "servers": [_server(entrant) for entrant in self.entrants],
            "measures": {name: findings.figures for name, findings in self.found.items()},
            "faults": self.faults,
            "goals": [_goal(goal) for goal in self.goals],
        }

    def write(self, path: Path) -> None:
        """Write results.json in one step."""
        draft = path.with_name(f".{path.name}.draft")
        draft.write_text(json.dumps(_rounded(self.data()), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        draft.replace(path)

    def lines(self) -> Iterator[str]:
        """The machine, the tables, absent peers and goals as text."""
        yield from (*_machine_lines(self.machine), "")
        for findings in self.found.values():
            for table in findings.tables:
                yield from (*_text(table), "")
        absent = [entrant for entrant in self.entrants if entrant.absent]
        yield from (f"absent: {entrant.server.title}: {entrant.absent}" for entrant in absent)
        yield from (f"no figures: {name}: {fault}" for name, fault in self.faults.items())
        if self.goals:
            yield from _text(
                Table("Goals", ["goal", "must be", "is", "", ""], [_goal_row(goal) for goal in self.goals])
            )


def _machine_lines(machine: Figures) -> Iterator[str]:
    """Where the figures were taken, and whether somebody else was at work there."""
    walls = machine["walls"]
    rung = walls.get("walls", "unknown") if isinstance(walls, Mapping) else "unknown"
    system = f"{machine['cpus']} CPUs, {machine['processor']}, {machine['system']}, Python {machine['python']}"
    yield f"{system}; walls: {rung}; load before: {machine['load_before']}"
    if machine["is_busy"]:
        yield "This machine was busy when the run began: take ratios with care, and goals for no verdict."


def _text(table: Table) -> Iterator[str]:
    """Columns as wide as their widest cell; a row with one cell behind its name is a remark."""
    cells = [row for row in (table.columns, *table.rows) if len(row) == len(table.columns)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(table.columns))]
    widths[0] = max(len(row[0]) for row in (table.columns, *table.rows))
    yield table.title
    for row in (table.columns, *table.rows):
        if len(row) == len(table.columns):
            first, last = row[0].ljust(widths[0]), len(row) - 1
            rest = (cell if at == last else cell.rjust(widths[at]) for at, cell in enumerate(row) if at)
            yield f"  {first}  {'  '.join(rest)}".rstrip()
        else:
            yield f"  {row[0].ljust(widths[0])}  {row[1]}"


def _goal_row(goal: Goal) -> list[str]:
    value = "" if goal.value is None else f"{goal.value:.3g}"
    must = f"{goal.sense.value} {goal.limit:g}"
    note = f" ({goal.note})" if goal.note else ""
    return [goal.name, must, value, goal.verdict.value.upper(), f"{goal.text}{note}"]


def _goal(goal: Goal) -> dict[str, object]:
    return {
        "name": goal.name,
        "text": goal.text,
        "must_be": goal.sense.value,
        "limit": goal.limit,
        "value": goal.value,
        "verdict": goal.verdict.value,
        "note": goal.note,
    }


def _server(entrant: Entrant) -> dict[str, object]:
    state = {"absent": entrant.absent} if entrant.absent else {"versions": entrant.versions}
    return {"name": entrant.server.name, "title": entrant.server.title, **state}


def _rounded(value: object) -> object:
    """Figures with as many digits as they deserve; what JSON has no number for becomes null."""
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value
