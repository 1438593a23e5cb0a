"""Cards of this machine, and what an instance holds of them."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from msgspec import Struct

# Cards are sold by these sizes in GB; error correction and the driver keep up to 7 % of them.
SOLD_GB = (2, 3, 4, 6, 8, 10, 11, 12, 16, 20, 24, 32, 40, 48, 64, 80, 94, 96, 128, 141, 180, 192, 256, 288)
KEPT_BY_DRIVER = 0.07


class Vendor(Enum):
    """Whose driver a card has; FAKE is a test double of a card of FC's, and computes nothing."""

    NVIDIA = "nvidia"
    AMD = "amd"
    APPLE = "apple"
    FAKE = "fake"


class GpuMode(Enum):
    """AUTO gives the cards that are here, NONE none, and FAKE a test double of those that FC would give."""

    AUTO = "auto"
    NONE = "none"
    FAKE = "fake"


class GpuLimit(Enum):
    """How instances are held to their slice of a card: frameworks are told of it in any case. WARN looks what they use
    and tells who uses more, ENFORCE ends it, INTERPOSE refuses allocations above the slice inside of each process."""

    WARN = "warn"
    ENFORCE = "enforce"
    INTERPOSE = "interpose"


class Card(Struct, frozen=True):
    """`memory_mb` is as its driver says, `nodes` are device nodes of its own. `type` is FC's, for a fake one."""

    vendor: Vendor
    index: int
    uuid: str
    name: str
    memory_mb: int
    nodes: tuple[str, ...] = ()
    type: str = ""

    @property
    def size_mb(self) -> int:
        """Its memory as it is sold, in which FC counts: 16384 MB of a Tesla T4 whose driver says 15360."""
        for gb in SOLD_GB:
            if 0 <= gb * 1024 - self.memory_mb <= gb * 1024 * KEPT_BY_DRIVER:
                return gb * 1024
        return self.memory_mb


class GpuShare(Struct, frozen=True):
    """What one instance holds: `size_mb` of each of `cards`, counted as cards are sold. `number` tells shares apart.

    `folder` on the host is shown as `GPU_HOME` inside: libraries of ours in `lib`, programs in `bin`. `interposer` says
    that one of them is to be loaded into each process. `mps` is the folder of CUDA's multi-process service, where it
    runs.
    """

    number: int
    type: str
    cards: tuple[Card, ...]
    size_mb: int
    folder: Path | None = None
    interposer: bool = False
    mps: str = ""

    @property
    def vendor(self) -> Vendor:
        return self.cards[0].vendor

    @property
    def fraction(self) -> float:
        """Of each card; 1.0 for whole ones."""
        return min(1.0, self.size_mb / self.cards[0].size_mb)

    @property
    def whole(self) -> bool:
        return self.fraction >= 1.0

    @property
    def memory_mb(self) -> int:
        """What may be used of each card, by its driver's count."""
        return int(self.cards[0].memory_mb * self.fraction)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(card.name for card in self.cards)
