"""`gpuConfig`: read, and checked against what FC gives with each type of GPU (platform.md §6.5)."""

from __future__ import annotations

from emulator.config import bounds
from emulator.config.checks import nearest
from emulator.config.section import Section
from emulator.model import limits
from emulator.model.function import Function, Gpu
from emulator.model.gpu_types import (
    GPU_TYPES,
    MEMORY_STEP_MB,
    SAME_TYPE,
    SLICE_MEMORY_STEP_MB,
    GpuType,
    most_cpu,
    most_memory_mb,
    normal_memory,
    size_problem,
)

# Of GPUs that can not be divided, FC says so where it lists them.
WHOLE_ONLY = "fc.gpu.tesla.1 and fc.gpu.ampere.1 are the types of which FC gives slices"


def read(section: Section) -> Gpu | None:
    """What FC would give; None where it is no GPU function, or of a type that nobody knows."""
    group = section.section("gpuConfig")
    wanted = group.text("gpuType").strip()
    if not wanted:
        if group.has("gpuMemorySize"):
            group.warn("gpuMemorySize", "`gpuMemorySize` without `gpuType` gives no GPU; name the type beside it")
        return None
    kind = _type(group, wanted)
    if kind is None:
        return None
    asked = group.whole("gpuMemorySize") or 0
    memory, why = normal_memory(kind, asked)
    if why:
        hint = f"; {WHOLE_ONLY}" if asked < kind.memory_mb and not kind.gb_per_cpu and asked > 0 else ""
        group.warn("gpuMemorySize", f"`gpuMemorySize` is {asked}, which {why}; {memory} is used{hint}")
    return Gpu(kind.id, memory)


def _type(group: Section, wanted: str) -> GpuType | None:
    known = SAME_TYPE.get(wanted.lower(), wanted.lower())
    if known in GPU_TYPES:
        if known != wanted and wanted not in SAME_TYPE:
            group.warn("gpuType", f"`gpuType` is `{wanted}`, but FC writes it `{known}`, which is used")
        return GPU_TYPES[known]
    near = nearest(known, dict.fromkeys(GPU_TYPES))
    what = f"`{near}` is used" if near else f"the function gets none; FC has {', '.join(GPU_TYPES)}"
    group.warn("gpuType", f"`gpuType` is `{wanted[:80]}`, which FC does not know; {what}")
    return GPU_TYPES[near] if near else None


def memory_bounds(gpu: Gpu | None) -> tuple[int, int]:
    """The largest memory of a function, and the steps in which it is given."""
    if gpu is None:
        return limits.MEMORY_RANGE_MB[1], limits.MEMORY_STEP_MB
    kind = GPU_TYPES[gpu.type]
    step = MEMORY_STEP_MB if gpu.memory_mb >= kind.memory_mb else SLICE_MEMORY_STEP_MB
    return max(limits.MEMORY_RANGE_MB[1], most_memory_mb(kind)), step


def most_cores(gpu: Gpu | None) -> float:
    return limits.CPU_RANGE[1] if gpu is None else max(limits.CPU_RANGE[1], most_cpu(GPU_TYPES[gpu.type]))


def check(section: Section, function: Function) -> None:
    """What FC would refuse of a GPU function as a whole; here it runs all the same."""
    gpu = function.gpu
    if gpu is None:
        return
    problem = size_problem(GPU_TYPES[gpu.type], gpu.memory_mb, function.cpu, function.memory_mb)
    if problem:
        key = "cpu" if section.has("cpu") else "memorySize" if section.has("memorySize") else "gpuConfig"
        given = f"`cpu` {bounds.number(function.cpu)} with `memorySize` {function.memory_mb} and {gpu.type}"
        section.warn(key, f"{given}: {problem}")
    container = function.custom_container
    if function.runtime != "custom-container":
        section.warn(
            "gpuConfig", f"FC runs GPU functions in custom containers only, and `runtime` is `{function.runtime}`"
        )
    elif container is not None and not container.web_server_mode:
        section.warn("gpuConfig", "FC wants a web server of a GPU function, and `webServerMode` is false")
