"""Cards that are not NVIDIA's: AMD's by what the kernel says of them, and the one of Apple's own chips."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

from emulator.model.gpu import Card, Vendor
from emulator.model.limits import MB

KFD = "/dev/kfd"
# The kernel's list of what computes; processors are in it too, and have no SIMDs.
KFD_NODES = Path("/sys/class/kfd/kfd/topology/nodes")
# Memory of the card itself, visible to the processor or not (HSA_HEAPTYPE_FRAME_BUFFER_PUBLIC and _PRIVATE)
CARD_HEAPS = {"1", "2"}


def amd_cards(nodes: Path = KFD_NODES, kfd: str = KFD) -> Iterator[Card]:
    """ROCm numbers cards in the order in which the kernel lists them."""
    if not Path(kfd).exists() or not nodes.is_dir():
        return
    found = 0
    for node in sorted(nodes.iterdir(), key=lambda folder: int(folder.name)):
        about = _properties(node / "properties")
        if int(about.get("simd_count", "0")) == 0:
            continue
        banks = [_properties(bank) for bank in sorted(node.glob("mem_banks/*/properties"))]
        memory = sum(int(bank.get("size_in_bytes", "0")) for bank in banks if bank.get("heap_type") in CARD_HEAPS)
        unique = int(about.get("unique_id", "0"))
        uuid = f"GPU-{unique:016x}" if unique else str(found)  # as HIP_VISIBLE_DEVICES takes it
        minor = about.get("drm_render_minor", "0")
        name = _text(node / "name") or f"AMD GPU {about.get('gfx_target_version', '')}".strip()
        yield Card(Vendor.AMD, found, uuid, name, memory // MB, (kfd, f"/dev/dri/renderD{minor}"))
        found += 1


def apple_cards() -> Iterator[Card]:
    """Apple's chips share the machine's memory with their GPU, of which Metal gives about three quarters."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4
        yield Card(Vendor.APPLE, 0, "apple-0", f"Apple {platform.processor()} GPU (Metal)", memory // MB)


def _properties(file: Path) -> dict[str, str]:
    pairs = (line.partition(" ") for line in _text(file).splitlines())
    return {name: value.strip() for name, _, value in pairs}


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
