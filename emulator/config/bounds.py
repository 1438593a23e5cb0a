"""Numbers and names that FC would refuse: told with FC's rule, and brought to the nearest value that it takes."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable

from emulator.config.section import Section
from emulator.model import limits

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
# What would leave its folder, or be read as something else, in paths, hosts and FC's own `service$function`
_UNSAFE_NAME = re.compile(r"[\x00-\x1f\x7f/\\$]|^\.+\Z")
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
FC2_RESERVED = frozenset({"accessKeyID", "accessKeySecret", "securityToken"})

# runtime-contract.md §2.0, oldest first
RUNTIMES = (
    "python2.7", "python3", "python3.9", "python3.10", "python3.12",
    "nodejs4.4", "nodejs6", "nodejs8", "nodejs10", "nodejs12", "nodejs14", "nodejs16", "nodejs18", "nodejs20",
    "java8", "java11", "php7.2", "go1", "dotnetcore2.1", "dotnetcore3.1",
    "custom", "custom.debian10", "custom.debian11", "custom.debian12", "custom-container",
)  # fmt: skip
_VERSION = re.compile(r"([a-z.-]+?)[-. ]?v?(\d+(?:\.\d+)*)?(?:\.x)?\Z")
_FAMILIES = {
    "node": "nodejs",
    "golang": "go",
    "dotnet": "dotnetcore",
    "container": "custom-container",
    "custom-runtime": "custom",
}


def within(section: Section, key: str, low: float, high: float, default: float) -> float:
    """A number between `low` and `high`, both included; the nearest of them where it is not."""
    value = section.number(key)
    if value is None:
        return default
    if low <= value <= high:
        return value
    nearest = min(max(value, low), high)
    taken = f"{number(low)} to {number(high)}"
    section.warn(key, f"{section.name(key)} is {number(value)}, but FC takes {taken}; {number(nearest)} is used")
    return nearest


def whole_within(section: Section, key: str, low: int, high: int, default: int) -> int:
    """A whole number between `low` and `high`."""
    value = within(section, key, low, high, default)
    if value != int(value):
        section.warn(key, f"{section.name(key)} must be a whole number; {int(value)} is used")
    return int(value)


def memory_mb(
    section: Section, default: int, high: int = limits.MEMORY_RANGE_MB[1], step: int = limits.MEMORY_STEP_MB
) -> int:
    value = whole_within(section, "memorySize", limits.MEMORY_RANGE_MB[0], high, default)
    if value % step == 0:
        return value
    nearest = min(high, math.ceil(value / step) * step)
    section.warn("memorySize", f"`memorySize` is {value}, but must be a multiple of {step} MB; {nearest} is used")
    return nearest


def cpu(section: Section, memory: int, high: float = limits.CPU_RANGE[1], checked: bool = True) -> float:
    """Cores; where they are not given, the share that goes with the memory."""
    step = limits.CPU_STEP
    if not section.has("cpu"):
        return default_cpu(memory)
    value = within(section, "cpu", limits.CPU_RANGE[0], high, default=0.35)
    steps = round(value / step)
    if abs(value - steps * step) > 1e-6:
        section.warn(
            "cpu", f"`cpu` is {number(value)}, but must be a multiple of {step}; {number(steps * step)} is used"
        )
        value = steps * step
    low, high = limits.MEMORY_GB_PER_CPU
    if checked and not low <= round(memory / 1024 / value, 6) <= high:
        section.warn(
            "cpu",
            f"`cpu` {number(value)} with `memorySize` {memory}: FC wants cpu to memory in GB between 1:1 and 1:4",
        )
    return round(value, 2)


def default_cpu(memory: int) -> float:
    """The cores that go with a memory size in MB where no `cpu` is given."""
    # 0.7 of a whole GB is not exact in binary, so the ceiling is taken of a rounded number of steps
    steps = math.ceil(round(memory / 1024 * limits.CPU_PER_GB / limits.CPU_STEP, 6))
    return min(round(steps * limits.CPU_STEP, 2), limits.CPU_RANGE[1])


def disk_mb(section: Section, gpu: bool) -> int:
    sizes = limits.DISK_SIZES_MB
    value = section.whole("diskSize")
    if value is None or value in sizes or (gpu and sizes[-1] <= value <= limits.MAX_GPU_DISK_MB):
        return sizes[0] if value is None else value
    nearest = next((size for size in sizes if size >= value), sizes[-1])
    section.warn("diskSize", f"`diskSize` is {value}, but FC takes 512 or 10240 MB; {nearest} is used")
    return nearest


def name_problem(name: str) -> str:
    """Why a function of this name can not be run at all; empty where it can."""
    if not name:
        return "the function has no name"
    if _UNSAFE_NAME.search(name) or len(name) > limits.FUNCTION_NAME_LENGTH:
        return f"`{name[:80]}` can not be a function's name"
    return ""


def check_name(section: Section, key: str, name: str) -> None:
    if not _NAME.match(name):
        section.warn(
            key,
            f"{section.name(key)} is `{name}`, but FC takes letters, digits, `_` and `-`, and no digit or `-` first",
        )
    elif len(name) > 64:
        section.warn(key, f"{section.name(key)} has {len(name)} characters, but FC takes at most 64")


def known_runtime(wanted: str, extra: Collection[str]) -> str:
    """`wanted` where it is known, else the nearest runtime of the same family, else nothing."""
    if wanted in RUNTIMES or wanted in extra:
        return wanted
    match = _VERSION.match(wanted.strip().lower())
    if match is None:
        return ""
    family = _FAMILIES.get(match[1], match[1])
    members = [r for r in RUNTIMES if (m := _VERSION.match(r)) and m[1] == family]
    return min(members, key=lambda r: _distance(r, match[2])) if members else ""


def _distance(runtime: str, version: str | None) -> tuple[int, int]:
    """How far a runtime is from a version; of two equally far ones the newer is nearer. No version: the newest."""
    found = _VERSION.match(runtime)
    number = 306 if runtime == "python3" else _number(found[2] if found else None)  # python3 is 3.6
    return (abs(number - _number(version)) if version else 0, -number)


def _number(version: str | None) -> int:
    parts = [int(part) for part in (version or "0").split(".")[:2] if part]
    return parts[0] * 100 + (parts[1] if len(parts) > 1 else 0) if parts else 0


def environment(section: Section, pairs: Iterable[tuple[str, str]], fc2: bool) -> dict[str, str]:
    """Environment variables that FC would take; the others are told and left out where they could do harm."""
    kept: dict[str, str] = {}
    for key, value in pairs:
        if key.startswith("FC_") or (fc2 and key in FC2_RESERVED):
            section.warn(key, f"environment variable `{key}` is reserved by FC and is not set")
        elif not key or "=" in key or "\0" in key + value:
            section.warn(key, f"environment variable `{key!r}` can not exist and is not set")
        else:
            if not _VARIABLE.match(key):
                section.warn(
                    key, f"environment variable `{key}`: FC wants a letter first, then letters, digits and `_`"
                )
            kept[key] = value
    size = sum(len(key.encode()) + len(value.encode()) for key, value in kept.items())
    if size > limits.ENVIRONMENT_BYTES:
        place = section.map.place
        section.report.warn(
            f"environment variables take {size} bytes, but FC takes {limits.ENVIRONMENT_BYTES} in total", place
        )
    return kept


def number(value: float) -> str:
    """As it is written in a project file."""
    return f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
