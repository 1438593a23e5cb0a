"""The GPUs of Function Compute: its types, and what it takes for each of them.

As of 2026-02 (platform.md §6.5): sizes of cards, cards an instance may have, cores and memory that go with each card.
FC's documents name T4 and A10, else a series; the other cards are told by their memory and FP16 figures, so their names
are UNCONFIRMED. `reported_mb` is what NVIDIA's driver says of such a card, which keeps some of its memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

# platform.md §6.5: the driver of the platform, and the newest CUDA that images may be built with
DRIVER_VERSION = "580.95.05"
CUDA_VERSION = (13, 0)
GB = 1024
# §6.5: memory of a function with whole cards comes in steps of this
MEMORY_STEP_MB = 4096
# Beside a slice of a card: as without a GPU
SLICE_MEMORY_STEP_MB = 64
SLICE_MEMORY_PER_CPU_MB = 4096


class Size(Struct, frozen=True):
    """One of the sizes for each card: this many cores, with `low` to `high` GB of memory."""

    cpu: int
    low: int
    high: int


class GpuType(Struct, frozen=True):
    """`memory_mb` is a card's, `quota` how many an account may have at first (platform.md §6.3, 0: on request).

    `gb_per_cpu` is set where cards can be divided: a slice goes with at most a core for every so many GB of it, and
    4 GB of memory for each core (help.aliyun.com, "instance types and instance modes").
    """

    id: str
    card: str
    memory_mb: int
    reported_mb: int
    max_cards: int
    sizes: tuple[Size, ...]
    compute: tuple[int, int] = (0, 0)
    quota: int = 0
    gb_per_cpu: int = 0
    nvidia: bool = True

    def cards(self, memory_mb: int) -> int:
        """How many cards so much GPU memory is."""
        return max(1, -(-memory_mb // self.memory_mb))


_SMALL = (Size(4, 16, 32), Size(8, 32, 64), Size(16, 64, 120))

_TYPES = (
    GpuType(
        "fc.gpu.tesla.1", "Tesla T4", 16 * GB, 15360, 4, (Size(4, 4, 16), Size(8, 8, 32), Size(16, 16, 64)), (7, 5), 10,
        gb_per_cpu=2,
    ),
    GpuType(
        "fc.gpu.ampere.1", "NVIDIA A10", 24 * GB, 23028, 8, (Size(8, 8, 32), Size(16, 16, 32)), (8, 6), 3,
        gb_per_cpu=3,
    ),
    GpuType("fc.gpu.ada.1", "NVIDIA L20", 48 * GB, 46068, 8, _SMALL, (8, 9), 3),
    GpuType("fc.gpu.ada.2", "NVIDIA GeForce RTX 4090", 24 * GB, 24564, 8, _SMALL, (8, 9)),
    GpuType("fc.gpu.ada.3", "NVIDIA GeForce RTX 4090 D", 48 * GB, 49140, 8, _SMALL, (8, 9)),
    GpuType(
        "fc.gpu.hopper.1", "NVIDIA H20", 96 * GB, 97871, 8,
        (Size(4, 16, 32), Size(8, 32, 64), Size(16, 64, 96), Size(24, 96, 120)), (9, 0),
    ),
    GpuType(
        "fc.gpu.hopper.2", "NVIDIA H20-3e", 141 * GB, 143771, 8,
        (Size(4, 16, 32), Size(8, 32, 64), Size(16, 64, 128), Size(24, 96, 248)), (9, 0),
    ),
    GpuType(
        "fc.gpu.blackwell.1", "NVIDIA GeForce RTX 5090", 32 * GB, 32607, 8,
        (Size(4, 16, 32), Size(8, 32, 64), Size(16, 64, 120), Size(24, 96, 184)), (12, 0),
    ),
    GpuType(
        "fc.gpu.xpu.1", "PPU", 96 * GB, 96 * GB, 16, (Size(4, 16, 48), Size(8, 32, 96), Size(12, 48, 120)),
        nvidia=False,
    ),
)  # fmt: skip
GPU_TYPES: Mapping[str, GpuType] = MappingProxyType({found.id: found for found in _TYPES})
# Older names (platform.md §6.5)
SAME_TYPE: Mapping[str, str] = MappingProxyType({"g1": "fc.gpu.tesla.1"})


def normal_memory(kind: GpuType, wanted_mb: int) -> tuple[int, str]:
    """GPU memory as FC gives it, and why it is not what was wanted: whole cards, or a slice of one where FC divides
    them. Nothing wanted is one card."""
    if wanted_mb <= 0:
        return kind.memory_mb, "" if wanted_mb == 0 else "must not be negative"
    if wanted_mb > kind.memory_mb:
        cards = min(kind.cards(wanted_mb), kind.max_cards)
        whole = cards * kind.memory_mb
        return whole, "" if whole == wanted_mb else f"is not that of 1 to {kind.max_cards} cards of {_gb(kind)} GB"
    if not kind.gb_per_cpu:
        return kind.memory_mb, "" if wanted_mb == kind.memory_mb else f"is less than a card of {_gb(kind)} GB"
    whole = -(-wanted_mb // GB) * GB
    return whole, "" if whole == wanted_mb else "is not a multiple of 1024 MB"


def size_problem(kind: GpuType, gpu_mb: int, cpu: float, memory_mb: int) -> str:
    """What FC would say against these cores and this memory beside so much GPU memory; empty where it takes them."""
    if gpu_mb < kind.memory_mb:
        cores = gpu_mb / GB / kind.gb_per_cpu
        most_mb = int(cores * SLICE_MEMORY_PER_CPU_MB)
        if cpu <= cores and memory_mb <= most_mb:
            return ""
        return f"with {gpu_mb} MB of a card FC takes at most {int(cores * 20) / 20:g} cores and {most_mb} MB"
    cards = kind.cards(gpu_mb)
    near = min(kind.sizes, key=lambda size: (abs(size.cpu * cards - cpu), size.cpu))
    low, high = near.low * cards * GB, near.high * cards * GB
    if near.cpu * cards == cpu and low <= memory_mb <= high and memory_mb % MEMORY_STEP_MB == 0:
        return ""
    steps = min(max(round(memory_mb / MEMORY_STEP_MB) * MEMORY_STEP_MB, low), high)
    each = "each card" if cards > 1 else "the card"
    return (
        f"for {each} FC takes {_listed(kind.sizes)}, in steps of {MEMORY_STEP_MB} MB; "
        f"the nearest is `cpu: {near.cpu * cards}` with `memorySize: {steps}`"
    )


def most_memory_mb(kind: GpuType) -> int:
    """The largest memory that a function with such cards can have."""
    return max(size.high for size in kind.sizes) * kind.max_cards * GB


def most_cpu(kind: GpuType) -> int:
    return max(size.cpu for size in kind.sizes) * kind.max_cards


def _listed(sizes: Sequence[Size]) -> str:
    *first, last = [f"{size.cpu} cores with {size.low} to {size.high} GB" for size in sizes]
    return f"{', '.join(first)} or {last}"


def _gb(kind: GpuType) -> int:
    return kind.memory_mb // GB
