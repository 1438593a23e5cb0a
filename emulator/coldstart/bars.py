"""The rows of a waterfall: the phases of one cold start, with the imports and files in them that matter (pure)."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from msgspec import Struct

from emulator.coldstart.spans import nest
from emulator.coldstart.summary import UNNAMED, unnamed_ms
from emulator.model.coldstart import ColdStart, Phase

MOST_IMPORTS = 12
MOST_FILES = 6
# Of the whole cold start: what is shorter can not be seen in a bar.
LEAST_SHARE = 0.01


class Bar(Struct, frozen=True, gc=False):
    """A row. `kind` is `phase`, `import`, `read` or `unnamed`; `depth` how far it is indented."""

    kind: str
    name: str
    depth: int
    at_ms: float
    duration_ms: float
    detail: str = ""


def bars(run: ColdStart) -> list[Bar]:
    """All phases as they began, each followed by what was imported and read in it; last, what has no name."""
    spans = [(phase.at_ms, phase.at_ms + phase.duration_ms) for phase in run.phases]
    phases = sorted(nest(spans, [phase.parent for phase in run.phases]), key=lambda at: (at.begin, at.depth))
    inside: dict[int, list[Bar]] = {}
    for bar in (*_imports(run), *_reads(run)):
        inside.setdefault(_phase_at(run.phases, bar.at_ms), []).append(bar)
    rows = inside.get(-1, [])
    for at in phases:
        phase = run.phases[at.index]
        rows.append(Bar("phase", phase.name, at.depth, phase.at_ms, phase.duration_ms, phase.detail))
        for bar in inside.get(at.index, ()):
            rows.append(Bar(bar.kind, bar.name, at.depth + 1 + bar.depth, bar.at_ms, bar.duration_ms, bar.detail))
    rest = unnamed_ms(run)
    if rest >= run.total_ms * LEAST_SHARE:
        rows.append(Bar("unnamed", UNNAMED, 0, 0.0, rest))
    return rows


def _imports(run: ColdStart) -> list[Bar]:
    """Modules that took longest, with those around them, in the order in which they were imported."""
    least = run.total_ms * LEAST_SHARE
    spans = [(module.at_ms, module.at_ms + module.total_ms) for module in run.imports]
    nested = nest(spans, [module.parent for module in run.imports])
    heavy = [place for place, at in enumerate(nested) if at.end - at.begin >= least]
    # Who imports takes at least as long as what it imports: of equal ones the one around stands first.
    shown = {*heapq.nlargest(MOST_IMPORTS, heavy, key=lambda place: (nested[place].end - nested[place].begin, -place))}
    rows = []
    for place in sorted(shown):
        module = run.imports[nested[place].index]
        detail = f"{module.self_ms:.0f} ms of it its own" if module.total_ms - module.self_ms >= least else ""
        rows.append(Bar("import", module.name, nested[place].depth, module.at_ms, module.total_ms, detail))
    return rows


def _reads(run: ColdStart) -> list[Bar]:
    least = run.total_ms * LEAST_SHARE
    slow = [read for read in run.reads if read.busy_ms >= least]
    slow = sorted(heapq.nlargest(MOST_FILES, slow, key=lambda read: read.busy_ms), key=lambda read: read.at_ms)
    return [
        Bar("read", read.path, 0, read.at_ms, read.busy_ms, f"{read.times} times" if read.times > 1 else "")
        for read in slow
    ]


def _phase_at(phases: Sequence[Phase], at_ms: float) -> int:
    """The innermost phase at this moment, -1 for none: of those that hold it, the shortest."""
    around = [
        (phase.duration_ms, -index)
        for index, phase in enumerate(phases)
        if phase.at_ms <= at_ms < phase.at_ms + phase.duration_ms
    ]
    return -min(around)[1] if around else -1
