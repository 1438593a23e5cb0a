"""The data of a report's page, small enough for thousands of imports in each of many runs (pure).

In each run names are numbers of a list that stands once, and rows are lists; page/data.js reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from emulator.coldstart.compare import Comparison
from emulator.coldstart.evidence import Advice
from emulator.coldstart.spans import nest
from emulator.coldstart.summary import Summary, package_of, unnamed_ms
from emulator.coldstart.wording import verdict_text
from emulator.model.coldstart import ColdStart

# What a phase or a package must differ by to be told.
LEAST_CHANGE_MS = 1.0


class Side(Struct, frozen=True):
    """The cold starts of one code. `conditions` are pairs of a key of page/words.js and what was so, `settings` those
    that were chosen, `notes` what a reader has to know."""

    name: str
    summary: Summary
    conditions: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def payload(sides: Sequence[Side], advice: Sequence[Advice], comparison: Comparison | None) -> dict[str, Any]:
    """What the page draws; of two sides the second is the one that is looked at."""
    parts = comparison.parts if comparison is not None else ()
    return {
        "sides": [_side(side) for side in sides],
        "changes": [part for part in parts if abs(part.grew.estimate) >= LEAST_CHANGE_MS],
        "verdict": verdict_text(comparison) if comparison is not None else None,
        "advice": advice,
    }


def _side(side: Side) -> dict[str, Any]:
    summary = side.summary
    names: dict[str, int] = {}
    runs = [_run(run, names) for run in summary.runs]
    figures = [{"path": row.path, **_rounded(row.ms)} for row in summary.phases]
    return {
        "name": side.name,
        "function": summary.typical_run.function,
        "conditions": side.conditions,
        "settings": side.settings,
        "notes": side.notes,
        "failed": summary.failed,
        "typical": summary.typical,
        "total": _rounded(summary.total),
        "measuring": _rounded(summary.measuring),
        "memory_mb": summary.memory_mb,
        "phases": figures,
        "imports": [_rounded(row) for row in summary.imports],
        "packages": [_rounded(row) for row in summary.packages],
        "files": [_rounded(row) for row in summary.files],
        "runs": runs,
        "names": list(names),
    }


def _run(run: ColdStart, names: dict[str, int]) -> dict[str, Any]:
    def number(name: str) -> int:
        return names.setdefault(name, len(names))

    spans = [(phase.at_ms, phase.at_ms + phase.duration_ms) for phase in run.phases]
    phases = []
    for at in sorted(nest(spans, [it.parent for it in run.phases]), key=lambda at: (at.begin, at.depth)):
        phase = run.phases[at.index]
        phases.append([number(phase.name), at.depth, _round(at.begin), _round(at.end), number(phase.detail)])
    spans = [(module.at_ms, module.at_ms + module.total_ms) for module in run.imports]
    imports = []
    for at in nest(spans, [it.parent for it in run.imports]):
        module = run.imports[at.index]
        parts = (number(module.file), number(package_of(module)))
        times = (_round(at.begin), _round(at.end), _round(module.self_ms))
        imports.append([number(module.name), at.depth, *times, *parts])
    return {
        "total": _round(run.total_ms),
        "unnamed": _round(unnamed_ms(run)),
        "phases": phases,
        "imports": imports,
        "reads": [[number(read.path), _round(read.at_ms), _round(read.busy_ms), read.times] for read in run.reads],
    }


def _rounded(row: Struct) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(row)
    for key, value in told.items():
        if isinstance(value, float):
            told[key] = _round(value)
        elif key == "values":
            told[key] = [_round(it) for it in value]
    return told


def _round(ms: float) -> float:
    """To a microsecond: more digits say nothing, and are most of the page."""
    return round(ms, 3)
