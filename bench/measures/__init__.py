"""The measures, by the names that `--only` takes, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.context import Bench
from bench.findings import Findings
from bench.measures import (
    burst,
    cold,
    coldstart,
    containers,
    debug,
    freeze,
    keep,
    large,
    reload,
    spares,
    start,
    warm,
    zygote,
)

MEASURES: Mapping[str, Callable[[Bench], Findings]] = {
    "warm": warm.measure,
    "large": large.measure,
    "freeze": freeze.measure,
    "start": start.measure,
    "cold": cold.measure,
    "coldstart": coldstart.measure,
    "burst": burst.measure,
    "zygote": zygote.measure,
    "spares": spares.measure,
    "containers": containers.measure,
    "debug": debug.measure,
    "reload": reload.measure,
    "keep": keep.measure,
}
