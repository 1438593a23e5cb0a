"""Budgets of a cold start, such as `p95<1.5s,imports<600ms,package<50MB`: read, held against a study (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from emulator.coldstart import measures
from emulator.coldstart.compare import Comparison
from emulator.coldstart.statistics import Series, median, percentile
from emulator.coldstart.study import Study
from emulator.coldstart.wording import why
from emulator.config.checks import nearest
from emulator.model.errors import UserError
from emulator.model.function import Place

FLAG = Place("--budget")
_RULE = re.compile(r"\s*([A-Za-z_][\w]*)(?:\.(median|p95|max))?\s*(<=?)\s*([0-9.]+)\s*([A-Za-z]*)\s*\Z")
_MS = {"ms": 1.0, "s": 1000.0}
_MB = {"KB": 1 / 1024, "MB": 1.0, "GB": 1024.0}
# Known wherever there is a cold start; a study has others, by what its function is.
PHASES = (
    "queue", "create", "prepare_code", "prepare_layers", "image_pull", "code_download", "compose", "sandbox",
    "runtime", "interpreter", "bootstrap", "process", "port", "load", "initializer", "health_check", "first_request",
)  # fmt: skip
SIZES = ("memory", "package")
_OF_TOTAL = ("p95", "median", "max")
_MOST_NAMED = 3

_STATISTICS: Mapping[str, Callable[[Series], float]] = {
    "median": median,
    "p95": lambda values: percentile(values, 0.95),
    "max": lambda values: max(values, default=0.0),
}
_SERIES: Mapping[str, Callable[[measures.Runs], Series]] = {
    measures.TOTAL: measures.totals,
    measures.IMPORTS: measures.import_times,
    measures.CPU: measures.cpu_times,
    measures.MEMORY: measures.memories,
}


class Rule(Struct, frozen=True):
    """One bound: `limit` is in ms or MB, by `what`, and itself within the bound where it is `inclusive`. `text` is how
    it was written."""

    what: str
    statistic: str
    limit: float
    inclusive: bool
    text: str

    def holds(self, measured: float) -> bool:
        return measured < self.limit or (self.inclusive and measured == self.limit)

    @property
    def unit(self) -> str:
        return "MB" if self.what in SIZES else "ms"


class Excess(Struct, frozen=True):
    """A bound that does not hold: what was measured, and what makes up most of it or what grew."""

    rule: Rule
    measured: float
    largest: tuple[str, ...] = ()
    grew: tuple[str, ...] = ()


def read_budget(text: str) -> list[Rule]:
    """Raises `UserError` that names what can not be read."""
    rules = [_rule(part) for part in text.split(",") if part.strip()]
    if not rules:
        raise UserError("a budget has at least one bound", "write such as p95<1.5s,imports<600ms", FLAG)
    return rules


def _rule(part: str) -> Rule:
    found = _RULE.match(part)
    if found is None:
        raise UserError(f"{part.strip()!r} is no bound", "write NAME<VALUE, such as p95<1.5s or package<50MB", FLAG)
    what, statistic, relation, number, unit = found.groups()
    if what in _OF_TOTAL:
        what, statistic = measures.TOTAL, what
    known = (measures.TOTAL, measures.IMPORTS, measures.CPU, *SIZES, *PHASES)
    if what not in known:
        near = nearest(what, dict.fromkeys((*known, *_OF_TOTAL)))
        step = f"did you mean {near}?" if near else f"there are {', '.join((*_OF_TOTAL, *known))}"
        raise UserError(f"{what!r} is not measured", step, FLAG)
    limit = _value(number, unit, part, sizes=what in SIZES)
    return Rule(what, statistic or "median", limit, relation == "<=", part.strip())


def _value(number: str, unit: str, part: str, *, sizes: bool) -> float:
    units = _MB if sizes else _MS
    factor = units.get(unit) or units.get(unit.upper() if sizes else unit.lower())
    try:
        value = float(number)
    except ValueError:
        raise UserError(f"{number!r} in {part.strip()!r} is no number", "write such as 1.5", FLAG) from None
    if factor is None:
        step = f"write {number}{'MB' if sizes else 'ms'}"
        raise UserError(f"{part.strip()!r} needs a unit: {', '.join(units)}", step, FLAG)
    return value * factor


def over(rules: Sequence[Rule], study: Study, since: Comparison | None = None) -> list[Excess]:
    """The bounds that do not hold. `since` is the comparison with an earlier study, if there is one."""
    found = []
    for rule in rules:
        measured = _measured(rule, study)
        if not rule.holds(measured):
            found.append(Excess(rule, measured, _largest(rule, study), _grew(rule, since)))
    return found


def _measured(rule: Rule, study: Study) -> float:
    if rule.what == "package":
        return (study.package.code_bytes + study.package.layers_bytes) / 1024 / 1024
    whole = _SERIES.get(rule.what)
    series = whole(study.runs) if whole is not None else measures.phase_times(study.runs, rule.what)
    return _STATISTICS[rule.statistic](series)


def _largest(rule: Rule, study: Study) -> tuple[str, ...]:
    """What makes up most of it, largest first."""
    runs, parts = study.runs, dict[str, float]()
    if rule.what in (measures.TOTAL, measures.IMPORTS, "load"):
        parts |= {f"import of {name}": median(times) for name, times in measures.package_times(runs).items()}
    if rule.what != measures.IMPORTS and rule.what not in SIZES:
        outer = "" if rule.what == measures.TOTAL else rule.what
        inner = [name for name, around in measures.around(runs).items() if around == outer]
        parts |= {name: median(measures.phase_times(runs, name)) for name in inner}
    first = sorted(parts.items(), key=lambda item: -item[1])[:_MOST_NAMED]
    return tuple(f"{name} {ms:.0f} ms" for name, ms in first if ms >= 1)


def _grew(rule: Rule, since: Comparison | None) -> tuple[str, ...]:
    if since is None or rule.what in SIZES:
        return ()
    grown = [part for part in since.parts if part.certain and part.grew.estimate > 0]
    if rule.what == measures.IMPORTS:
        grown = [part for part in grown if part.kind == "import"]
    elif rule.what not in (measures.TOTAL, measures.CPU):
        grown = [part for part in grown if part.name == rule.what or part.kind == "import"]
    return tuple(why(part) for part in grown[:_MOST_NAMED])
