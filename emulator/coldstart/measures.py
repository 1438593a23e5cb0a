"""What is measured of cold starts, run by run, by name (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emulator.coldstart.summary import package_of
from emulator.model.coldstart import ColdStart

Runs = Sequence[ColdStart]

# Phases of an instance that end before it can be asked.
OF_BIRTH = frozenset({"queue", "create", "debugger", "runtime", "initializer", "health_check"})
TOTAL = "total"
CPU = "cpu"
IMPORTS = "imports"
MEMORY = "memory"


def totals(runs: Runs) -> list[float]:
    """ms."""
    return [run.total_ms for run in runs]


def own_times(runs: Runs) -> list[float]:
    """What the instances themselves took, whatever else the machine did, ms."""
    return [run.own_ms for run in runs]


def cpu_times(runs: Runs) -> list[float]:
    """ms."""
    return [run.cpu_ms for run in runs]


def import_times(runs: Runs) -> list[float]:
    """All modules together, ms."""
    return [sum(it.self_ms for it in run.imports) for run in runs]


def memories(runs: Runs) -> list[float]:
    """MB."""
    return [run.memory_mb for run in runs]


def ready_ms(run: ColdStart) -> float:
    """When the instance could be asked. Whatever comes later, a provisioned instance has not done yet either: without
    an Initializer the first request loads the user's module."""
    return max((it.at_ms + it.duration_ms for it in run.phases if it.name in OF_BIRTH), default=0.0)


def phase_times(runs: Runs, name: str) -> list[float]:
    """What phases of this name took in each run, ms."""
    return [sum(it.duration_ms for it in run.phases if it.name == name) for run in runs]


def around(runs: Runs) -> Mapping[str, str]:
    """Every phase, in the order in which they begin, with the one that it lies in, or with an empty name."""
    found: dict[str, str] = {}
    for run in runs:
        for it in run.phases:
            found.setdefault(it.name, run.phases[it.parent].name if it.parent >= 0 else "")
    return found


def package_times(runs: Runs) -> Mapping[str, list[float]]:
    """By package, what its own modules took in each run, ms: no time is counted twice."""
    found: dict[str, list[float]] = {}
    for number, run in enumerate(runs):
        for it in run.imports:
            found.setdefault(package_of(it), [0.0] * len(runs))[number] += it.self_ms
    return found
