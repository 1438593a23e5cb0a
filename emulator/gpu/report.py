"""What `fclocal doctor` says of cards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from emulator.gpu.cards import Found, find_cards
from emulator.gpu.pool import MPS_FOLDER
from emulator.model.function import Gpu
from emulator.model.gpu import Card, GpuMode, Vendor
from emulator.model.gpu_types import DRIVER_VERSION, GPU_TYPES
from emulator.native.build import compiler

_FAKE = "fclocal start --gpu fake, for a test double"
_COMPILER = "sudo apt install gcc libc6-dev"


class Line(Struct, frozen=True):
    """`lift` is what would make it more; `full` is false where a function of the project is the worse for it."""

    topic: str
    state: str
    detail: str = ""
    lift: str = ""
    full: bool = True


def look(mode: GpuMode, wanted: Sequence[Gpu]) -> Iterator[Line]:
    """`wanted` are those of the project's functions."""
    found = find_cards()
    try:
        yield from _cards(found, mode, wanted)
        yield from _slices(found)
    finally:
        if found.nvml is not None:
            found.nvml.close()
    yield _double(mode, wanted)


def _cards(found: Found, mode: GpuMode, wanted: Sequence[Gpu]) -> Iterator[Line]:
    missed = bool(wanted) and mode is GpuMode.AUTO
    if found.problem is not None:
        yield Line("GPU", "not usable", found.problem.message, found.problem.next_step, full=not missed)
    elif not found.cards:
        yield Line("GPU", "none", "", _FAKE, full=not missed)
    for card in found.cards:
        yield Line(f"GPU {card.index}", card.name, f"{card.size_mb} MB{_driver(card, found)}")
    largest = max((card.size_mb for card in found.cards), default=0)
    for gpu in dict.fromkeys(wanted):
        size = min(gpu.memory_mb, GPU_TYPES[gpu.type].memory_mb)
        if found.cards and size > largest:
            detail = f"asks for {size} MB of a card, and the largest has {largest}"
            yield Line(gpu.type, "smaller here", detail, _FAKE, full=not missed)


def _driver(card: Card, found: Found) -> str:
    if found.nvml is None or card.vendor is not Vendor.NVIDIA:
        return ""
    with contextlib.suppress(Exception):  # a library that answers what cards there are may still lack this
        return f", driver {found.nvml.driver}, CUDA {found.nvml.cuda}"
    return ""


def _slices(found: Found) -> Iterator[Line]:
    if any(card.vendor is Vendor.NVIDIA for card in found.cards):
        folder = os.environ.get("CUDA_MPS_PIPE_DIRECTORY", MPS_FOLDER)
        runs = Path(folder, "control").exists()
        yield Line("CUDA MPS", "runs" if runs else "does not run", "" if runs else "slices are not held by the driver")


def _double(mode: GpuMode, wanted: Sequence[Gpu]) -> Line:
    found, needed = compiler(), bool(wanted) and mode is GpuMode.FAKE
    if found:
        asked = f"{found}; used: functions get no card but a double" if needed else found
        return Line("fake GPU", f"as FC's, driver {DRIVER_VERSION}", asked)
    return Line("fake GPU", "none", "it takes a C compiler", _COMPILER, full=not needed)
