"""Conditions of a scenario, such as `p95 < 2 s and cold_starts(counter) <= 3`: read, and judged (pure).

A condition is NAME or NAME(FUNCTION), a comparison and a number with its unit; several are joined by `and`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType

from msgspec import Struct

from emulator.config.settings import did_you_mean
from emulator.model.durations import read_duration, show_duration
from emulator.model.function import Place
from emulator.scenario.figures import Figures

_CONDITION = re.compile(
    r"\s*([a-z][a-z0-9_.]*)\s*(?:\(\s*([\w$.-]+)\s*\))?\s*(<=|>=|==|!=|<|>|=)\s*([0-9]*\.?[0-9]+)\s*(.*?)\s*\Z"
)
_PERCENTILE = re.compile(r"(cold_|warm_)?p([0-9]{1,2}(?:\.[0-9]+)?)\Z")
_SIZES = {"MB": 1.0, "GB": 1024.0}


class Kind(Enum):
    COUNT = "count"
    TIME = "time"
    SHARE = "share"
    SIZE = "size"
    STATUS = "status"


Metric = tuple[Kind, Callable[[Figures], float | None]]

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "calls": (Kind.COUNT, lambda f: f.calls),
        "errors": (Kind.COUNT, lambda f: f.errors),
        "error_rate": (Kind.SHARE, lambda f: f.errors / f.calls if f.calls else None),
        "rejected": (Kind.COUNT, lambda f: f.rejected),
        "status": (Kind.STATUS, lambda f: None),
        "cold_starts": (Kind.COUNT, lambda f: f.cold_starts),
        "cold_rate": (Kind.SHARE, lambda f: f.cold_starts / f.invocations if f.invocations else None),
        "instances": (Kind.COUNT, lambda f: f.instances),
        "peak_instances": (Kind.COUNT, lambda f: f.peak_instances),
        "reclaimed": (Kind.COUNT, lambda f: f.reclaimed),
        "prestops": (Kind.COUNT, lambda f: f.prestops),
        "succeeded": (Kind.COUNT, lambda f: f.succeeded),
        "failed": (Kind.COUNT, lambda f: f.failed),
        "retries": (Kind.COUNT, lambda f: f.retries),
        "timers": (Kind.COUNT, lambda f: f.timers),
        "memory": (Kind.SIZE, lambda f: f.memory_mb),
        "min": (Kind.TIME, lambda f: f.percentile(0)),
        "max": (Kind.TIME, lambda f: f.percentile(100)),
        "mean": (Kind.TIME, lambda f: f.mean()),
        "cold_max": (Kind.TIME, lambda f: f.percentile(100, cold=True)),
        "warm_max": (Kind.TIME, lambda f: f.percentile(100, cold=False)),
    }
)
COMPARE: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
        "==": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
    }
)


class Condition(Struct, frozen=True):
    """`function` is empty for all of them. `value` is in seconds, MB, a share of 1, or a count."""

    text: str
    metric: str
    function: str
    compare: str
    value: float
    place: Place


class Verdict(Struct, frozen=True):
    """`measured` and `off` are for a person: what it is, and by how much that is wrong."""

    condition: str
    ok: bool
    measured: str
    off: str = ""
    place: str = ""


def metric_of(name: str) -> Metric | None:
    """What a name means; None for nothing."""
    found = METRICS.get(name)
    if found is not None:
        return found
    percentile = _PERCENTILE.match(name)
    if percentile is None:
        return None
    which, rank = {"cold_": True, "warm_": False}.get(percentile[1] or ""), float(percentile[2])
    return Kind.TIME, lambda f: f.percentile(rank, cold=which)


def read_conditions(text: str, place: Place) -> tuple[Condition, ...]:
    """Raises `ValueError`, whose text says what is wrong."""
    return tuple(_read(part, place) for part in re.split(r"\s+and\s+", text.strip()))


def _read(text: str, place: Place) -> Condition:
    found = _CONDITION.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no condition: write a name, a comparison and a number, such as p95 < 2 s")
    name, function, compare, number, unit = found.groups()
    metric = metric_of(name)
    if metric is None:
        near = did_you_mean(name, METRICS) or f"there are {', '.join(METRICS)}, p50, p95, cold_p95, …"
        raise ValueError(f"{name!r} is nothing that is measured: {near}")
    compare = "==" if compare == "=" else compare
    return Condition(text.strip(), name, function or "", compare, _value(metric[0], name, number, unit), place)


def _value(kind: Kind, name: str, number: str, unit: str) -> float:
    if kind is Kind.TIME:
        if not unit:
            raise ValueError(f"{name} is a time: write its unit, such as {name} < 2 s")
        return read_duration(f"{number}{unit}")
    if kind is Kind.SHARE and unit in ("%", ""):
        return float(number) / (100 if unit else 1)
    if kind is Kind.SIZE and unit in _SIZES:
        return float(number) * _SIZES[unit]
    if kind is Kind.SHARE:
        raise ValueError(f"{name} is a share: write it as 5 % or 0.05")
    if kind is Kind.SIZE:
        raise ValueError(f"{name} is a size: write it in MB or GB")
    if unit:
        raise ValueError(f"{name} has no unit, but {unit!r} is written behind its number")
    return float(number)


def judge(condition: Condition, figures: Figures) -> Verdict:
    """Whether it holds for what was measured. Where nothing was, no condition about it holds."""
    kind, measure = metric_of(condition.metric) or METRICS["calls"]
    place = str(condition.place)
    if kind is Kind.STATUS:
        return _judge_status(condition, figures, place)
    measured = measure(figures)
    if measured is None:
        return Verdict(condition.text, False, "nothing was measured", "", place)
    if kind is Kind.COUNT or kind is Kind.SHARE:
        measured = round(measured, 6)
    ok = COMPARE[condition.compare](measured, condition.value)
    off = "" if ok else _off(kind, measured - condition.value)
    return Verdict(condition.text, ok, _shown(kind, measured), off, place)


def _judge_status(condition: Condition, figures: Figures, place: str) -> Verdict:
    """Of every call."""
    compare = COMPARE[condition.compare]
    wrong = {status: count for status, count in figures.statuses.items() if not compare(status, condition.value)}
    all_of_them = ", ".join(f"{count} × {status}" for status, count in sorted(figures.statuses.items()))
    off = f"{sum(wrong.values())} of {figures.calls} were not" if wrong else ""
    ok = bool(figures.statuses) and not wrong
    return Verdict(condition.text, ok, all_of_them or "nothing was called", off, place)


def _shown(kind: Kind, value: float) -> str:
    if kind is Kind.TIME:
        return show_duration(value)
    if kind is Kind.SHARE:
        return f"{value * 100:.3g} %"
    return f"{value:.4g}{' MB' if kind is Kind.SIZE else ''}"


def _off(kind: Kind, difference: float) -> str:
    if difference == 0:
        return "which it must not be"
    words = ("too many", "too few") if kind is Kind.COUNT else ("too much", "too little")
    return f"{_shown(kind, abs(difference))} {words[difference < 0]}"
