"""Which sizes of a function are tried, and which of them is the one to take (pure)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from emulator.config.bounds import number
from emulator.model import limits
from emulator.model.durations import read_duration
from emulator.model.errors import UserError
from emulator.model.function import Function, Place
from emulator.model.gpu_types import GPU_TYPES, size_problem

# Without --keep, how much slower than the declared size another may be
SLOWER = 1.1
PERCENTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}
_KEEP = re.compile(r"\s*(p50|p90|p95|p99|cold)\s*(<=?)\s*([0-9.a-z]+)\s*\Z")


class Tried(Struct, frozen=True, order=True):
    """One size: MB, cores, and how many requests an instance takes at once."""

    memory_mb: int
    cpu: float
    concurrency: int

    def __str__(self) -> str:
        several = f", concurrency {self.concurrency}" if self.concurrency > 1 else ""
        return f"{self.memory_mb} MB, {number(self.cpu)} cores{several}"


class Keep(Struct, frozen=True):
    """What must hold: `figure` of PERCENTILES, or `cold`, is at most `most_ms`, or less."""

    figure: str
    most_ms: float
    less: bool = False

    def holds(self, measured_ms: float) -> bool:
        return measured_ms < self.most_ms or (measured_ms == self.most_ms and not self.less)

    def __str__(self) -> str:
        return f"{self.figure} {'<' if self.less else '<='} {self.most_ms:g} ms"


class Measured(Struct, frozen=True):
    """What came of one size. `durations` are of warm invocations and `colds` from a start to the function's first
    answer, in ms; `cu` is for one warm invocation, `million` for a million of them by currency. `failed` of `calls`
    failed, the first of them with `why`."""

    size: Tried
    durations: tuple[float, ...]
    colds: tuple[float, ...]
    memory_mb: float
    cu: Decimal
    million: dict[str, Decimal]
    calls: int
    failed: int = 0
    why: str = ""

    def figure(self, name: str) -> float:
        values = self.colds if name == "cold" else self.durations
        return percentile(values, 0.50 if name == "cold" else PERCENTILES[name])

    def keeps(self, wanted: Sequence[Keep]) -> bool:
        return not self.failed and all(keep.holds(self.figure(keep.figure)) for keep in wanted)


def percentile(values: Sequence[float], share: float) -> float:
    """The value of rank `share`, rounded up to a whole rank; 0 of none."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(share * len(ordered))) - 1] if ordered else 0.0


def read_numbers(text: str, flag: str) -> list[float]:
    """`256,512` as numbers. Raises `UserError`."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"{text!r} are no numbers", "write them with commas, such as 256,512", Place(flag)) from None


def read_keep(text: str) -> list[Keep]:
    """`p95<500ms,cold<2s`, or nothing. Raises `UserError`."""
    return [_keep(part) for part in text.split(",")] if text else []


def _keep(part: str) -> Keep:
    match = _KEEP.match(part)
    if match is None:
        raise UserError(f"{part.strip()!r} can not be kept", "write it like p95<500ms or cold<2s", Place("--keep"))
    try:
        return Keep(match[1], read_duration(match[3]) * 1000, match[2] == "<")
    except ValueError as error:
        raise UserError(str(error), "write it like p95<500ms or cold<2s", Place("--keep")) from None


def sizes(
    function: Function, memories: Sequence[float], cpus: Sequence[float], concurrencies: Sequence[float]
) -> tuple[list[Tried], dict[Tried, str]]:
    """All combinations that FC takes, the declared size among them, and why it does not take the others. What is not
    named is as it was declared, or the nearest that FC takes beside the rest."""
    own = Tried(function.memory_mb, function.cpu, function.instance_concurrency)
    taken, refused = {own: None}, {}
    for concurrency in concurrencies or (own.concurrency,):
        for memory, cpu in _pairs(own, memories, cpus):
            size = Tried(int(memory), round(cpu, 2), int(concurrency))
            if size == own:
                continue
            if why := problem(function, size):
                refused[size] = why
            else:
                taken[size] = None
    return sorted(taken), refused


def _pairs(own: Tried, memories: Sequence[float], cpus: Sequence[float]) -> list[tuple[float, float]]:
    low, high = limits.MEMORY_GB_PER_CPU
    if memories and cpus:
        return [(memory, cpu) for memory in memories for cpu in cpus]
    if memories:
        return [
            (memory, _near(own.cpu, memory / 1024 / high, memory / 1024 / low, limits.CPU_STEP)) for memory in memories
        ]
    if cpus:
        step = limits.MEMORY_STEP_MB
        return [(_near(own.memory_mb, cpu * 1024 * low, cpu * 1024 * high, step), cpu) for cpu in cpus]
    return [(own.memory_mb, own.cpu)]


def _near(value: float, low: float, high: float, step: float) -> float:
    """The nearest multiple of `step` between both."""
    steps = min(max(round(value / step), math.ceil(round(low / step, 6))), math.floor(round(high / step, 6)))
    return steps * step


def problem(function: Function, size: Tried) -> str:
    """Why FC would not take a size; empty where it does."""
    if size.concurrency > 1 and not function.is_custom:
        return f"{function.runtime} takes one request at a time"
    if not 1 <= size.concurrency <= limits.MAX_INSTANCE_CONCURRENCY:
        return f"concurrency is 1 to {limits.MAX_INSTANCE_CONCURRENCY}"
    if function.gpu is not None:
        kind = GPU_TYPES.get(function.gpu.type)
        return size_problem(kind, function.gpu.memory_mb, size.cpu, size.memory_mb) if kind else ""
    least, most = limits.MEMORY_RANGE_MB
    if not least <= size.memory_mb <= most or size.memory_mb % limits.MEMORY_STEP_MB:
        return f"memory is {least} to {most} MB in steps of {limits.MEMORY_STEP_MB}"
    least_cpu, most_cpu = limits.CPU_RANGE
    steps = size.cpu / limits.CPU_STEP
    if not least_cpu <= size.cpu <= most_cpu or abs(steps - round(steps)) > 1e-6:
        return f"cores are {least_cpu} to {most_cpu:g} in steps of {limits.CPU_STEP}"
    low, high = limits.MEMORY_GB_PER_CPU
    if not low <= round(size.memory_mb / 1024 / size.cpu, 6) <= high:
        return f"FC wants {low:g} to {high:g} GB of memory for each core"
    return ""


def wanted(keep: Sequence[Keep], found: Sequence[Measured], function: Function) -> list[Keep]:
    """What is to be kept: what was named, else the declared size's own p95 and a tenth."""
    if keep:
        return list(keep)
    own = Tried(function.memory_mb, function.cpu, function.instance_concurrency)
    declared = next(it for it in found if it.size == own)
    return [] if declared.failed else [Keep("p95", round(declared.figure("p95") * SLOWER, 1))]


def cheapest(found: Sequence[Measured], keep: Sequence[Keep]) -> Measured | None:
    """Of those that keep it; of two that cost the same the faster one."""
    kept = [it for it in found if it.keeps(keep)]
    return min(kept, key=lambda it: (it.cu, it.figure("p95")), default=None)
