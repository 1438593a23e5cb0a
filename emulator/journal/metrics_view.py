"""Metrics as JSON: FC's own names where Cloud Monitor has one (platform.md §10), ours for the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from emulator.journal.metrics import Metrics
from emulator.journal.sketch import RELATIVE_ERROR, Sketch
from emulator.journal.slot import Slot
from emulator.model.errors import UserError
from emulator.model.events import RevisionDeployed

# Instance-seconds below this are how sums come out, and nobody's.
LEAST_AREA = 1e-6
THROTTLED = 429
CANCELED = 499
# An Initializer that failed: FC's answer is 200 all the same (runtime-contract.md §4.1)
INITIALIZER_FAILED = 200
# FC counts the lack of resources, as against that of permission to have more, by this status
NO_RESOURCES = 503
DEFAULT_WINDOW = 900.0


def metrics_answer(metrics: Metrics, now: float, asked: Mapping[str, Any]) -> dict[str, Any]:
    """All functions, or the one that is asked for: its instances now, all since the start, and the last `window`
    seconds slot by slot.

    Raises `UserError` for a function that is not known."""
    function, window = str(asked.get("function", "")), number(asked, "window", DEFAULT_WINDOW)
    names = [function] if function else sorted(metrics.functions)
    if function and function not in metrics.functions:
        raise UserError(f"there are no metrics of a function {function!r}", "fclocal cost lists the functions")
    return {
        "now": now - metrics.epoch,
        "seconds": now - metrics.began,
        "percentile_error": round(RELATIVE_ERROR, 4),
        "functions": {name: _function(metrics, name, now, window) for name in names},
    }


def number(asked: Mapping[str, Any], name: str, default: float) -> float:
    """A number of JSON above zero. Raises `UserError` for anything else."""
    value = asked.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise UserError(f"`{name}` must be a number", "leave it out, or write one that is not below 0")
    return float(value)


def _function(metrics: Metrics, name: str, now: float, window: float) -> dict[str, Any]:
    step, slots = metrics.series(name, now, window)
    found, whole = metrics.of(name), Slot(now - window)
    for slot in slots:
        whole.merge(slot)
    provisioned = sum(it.provisioned for it in found.instances.values())
    return {
        "instances": dict(found.states),
        "FunctionOndemandActiveInstance": len(found.instances) - provisioned,
        "FunctionProvisionedCurrentInstance": provisioned,
        "inFlight": found.flight,
        "FunctionAsyncMessagesBacklogV2": len(found.backlog),
        "memoryMB": round(sum(it.memory_mb for it in found.instances.values()), 2),
        "gpuMemoryMB": round(sum(it.gpu_memory_mb for it in found.instances.values()), 2),
        "total": slot_view(metrics.total(name, now), found.size, now - metrics.began),
        "window": slot_view(whole, found.size, window),
        "step": step,
        "series": [
            {"at": round(slot.at - metrics.epoch, 3), **slot_view(slot, found.size, min(step, now - slot.at))}
            for slot in slots
        ],
    }


def slot_view(slot: Slot, size: RevisionDeployed | None, seconds: float) -> dict[str, Any]:
    """`seconds` is how long the stretch is, which averages are over."""
    return {
        **_counts(slot),
        **_durations(slot),
        **_sizes(slot, size),
        "FunctionMaxConcurrentRequests": slot.most_flight,
        "FunctionAvgConcurrentRequests": _average(slot.flight_area, seconds),
        "FunctionEnqueueCount": slot.enqueued,
        "FunctionDequeueCount": slot.dequeued,
        "instances": {
            state: _average(area, seconds) for state, area in sorted(slot.areas.items()) if area > LEAST_AREA
        },
        "maxInstances": slot.most_instances,
        "coldStarts": slot.cold,
        "coldStartRate": round(slot.cold / slot.invocations, 4) if slot.invocations else 0.0,
        "errors": dict(slot.errors),
        "refused": dict(slot.codes),
    }


def _counts(slot: Slot) -> dict[str, int]:
    refused = sum(slot.rejected.values())
    classes = {f"FunctionHTTPStatus{kind}xx": _of_class(slot.statuses, kind) for kind in (2, 3, 4, 5)}
    throttled = slot.rejected.get(THROTTLED, 0)
    scarce = slot.rejected.get(NO_RESOURCES, 0)
    return {
        "FunctionTotalInvocations": slot.invocations + refused,
        "FunctionProvisionInvocations": slot.provisioned,
        **classes,
        "FunctionServerErrors": _of_class(slot.rejected, 5) - scarce,
        "FunctionClientErrors": _of_class(slot.rejected, 4) - throttled + slot.statuses.get(CANCELED, 0),
        "FunctionFunctionErrors": sum(slot.errors.values()) + slot.rejected.get(INITIALIZER_FAILED, 0),
        "FunctionConcurrencyThrottles": throttled,
        "FunctionResourceThrottles": scarce,
    }


def _of_class(statuses: dict[int, int], kind: int) -> int:
    return sum(count for status, count in statuses.items() if status // 100 == kind)


def _durations(slot: Slot) -> dict[str, float]:
    """Durations are the function's own, the latency has the platform's time in it (ms)."""
    return {
        "FunctionAvgDuration": round(slot.duration.mean, 3),
        "FunctionP90Duration": _percentile(slot.duration, 0.90),
        "FunctionP99Duration": _percentile(slot.duration, 0.99),
        "FunctionMaxDuration": round(slot.duration.most, 3),
        "p50Duration": _percentile(slot.duration, 0.50),
        "p95Duration": _percentile(slot.duration, 0.95),
        "FunctionLatencyAvg": round(slot.latency.mean, 3),
        "p50Latency": _percentile(slot.latency, 0.50),
        "p95Latency": _percentile(slot.latency, 0.95),
        "p99Latency": _percentile(slot.latency, 0.99),
        "p50ColdStart": _percentile(slot.cold_start, 0.50),
        "p95ColdStart": _percentile(slot.cold_start, 0.95),
    }


def _sizes(slot: Slot, size: RevisionDeployed | None) -> dict[str, float]:
    gpu_mb = size.gpu_memory_mb if size else 0
    view: dict[str, float] = {
        "FunctionMemoryLimitMB": size.memory_mb if size else 0,
        "FunctionMaxMemoryUsage": round(slot.memory_mb, 2),
    }
    if gpu_mb:
        view |= {
            "FunctionGPUMemoryLimitMB": gpu_mb,
            "FunctionGPUMaxMemoryUsage": round(slot.gpu_memory_mb, 2),
            "FunctionGPUMemoryUsagePercent": round(100 * slot.gpu_memory_mb / gpu_mb, 2),
        }
    return view


def _percentile(sketch: Sketch, share: float) -> float:
    return round(sketch.percentile(share), 3)


def _average(area: float, seconds: float) -> float:
    return round(area / seconds, 4) if seconds > 0 else 0.0
