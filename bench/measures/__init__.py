"""The measures, by the names that `--only` takes, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.context import Bench
from bench.findings import Findings
from bench.measures import burst, cold, freeze, large, start, warm

MEASURES: Mapping[str, Callable[[Bench], Findings]] = {
    "warm": warm.measure,
    "large": large.measure,
    "freeze": freeze.measure,
    "start": start.measure,
    "cold": cold.measure,
    "burst": burst.measure,
}
