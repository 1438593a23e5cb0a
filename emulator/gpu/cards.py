"""Which cards are here: NVIDIA's if there are any, since FC's images are made for them; else AMD's, else Apple's."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from emulator.gpu.nvml import Nvml, open_nvml
from emulator.gpu.others import amd_cards, apple_cards
from emulator.model.errors import UserError
from emulator.model.gpu import Card, Vendor
from emulator.model.gpu_types import GpuType


class Found(Struct, frozen=True):
    """`nvml` is open where the cards are NVIDIA's; `problem` is why a driver that is here can not be asked."""

    cards: Sequence[Card] = ()
    nvml: Nvml | None = None
    problem: UserError | None = None


def find_cards() -> Found:
    """Loads the driver's library and asks it, which takes up to a second."""
    problem: UserError | None = None
    try:
        nvml = open_nvml()
    except UserError as error:
        nvml, problem = None, error
    if nvml is not None:
        cards = tuple(nvml.cards())
        if cards:
            return Found(cards, nvml)
        nvml.close()
    return Found(tuple(amd_cards()) or tuple(apple_cards()), None, problem)


def fake_cards(kind: GpuType) -> tuple[Card, ...]:
    """As many as an account has of them at first in FC, and one instance's at least."""
    return tuple(
        Card(
            Vendor.FAKE,
            index,
            f"GPU-fc10ca10-{_number(kind)}-4000-8000-{index:012d}",
            kind.card,
            kind.reported_mb,
            type=kind.id,
        )
        for index in range(max(kind.quota, kind.max_cards))
    )


def _number(kind: GpuType) -> str:
    """Four digits of a UUID, the same for all cards of a type and for no other's."""
    return f"{sum(map(ord, kind.id)) % 0x10000:04x}"
