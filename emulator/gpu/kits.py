"""Our C programs for instances with a GPU.

A kit is a folder for functions with the same GPU: `lib` and `bin` with what was compiled, and small files beside them
that these read. It is shown to instances as a whole, and never changed after it was made.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from emulator.model.gpu_types import CUDA_VERSION, DRIVER_VERSION, GpuType
from emulator.native.build import SHARED, Programs, compiled, keep

SOURCES = Path(__file__).parent / "native"
PROGRAMS = (
    ("lib/libnvidia-ml.so.1", "nvml.c", (*SHARED, "-Wl,-soname,libnvidia-ml.so.1")),
    ("lib/libcuda.so.1", "cuda.c", (*SHARED, "-Wl,-soname,libcuda.so.1")),
    ("bin/nvidia-smi", "smi.c", ("-O2",)),
)
INTERPOSER = "lib/libfclocal-gpu-limit.so"
INTERPOSERS = ((INTERPOSER, "limit.c", SHARED),)


def fake_kit(cache: Path, kind: GpuType, memory_mb: int, *, nodes: bool) -> Path:
    """The driver's libraries and nvidia-smi of a machine with such cards, which are there only where their device
    `nodes` are. Raises `UserError` without a compiler."""
    shown = kind.reported_mb if memory_mb >= kind.memory_mb else memory_mb
    card = {
        "name": kind.card,
        "memory_mb": shown,
        "driver": DRIVER_VERSION,
        "cuda": CUDA_VERSION[0] * 1000 + CUDA_VERSION[1] * 10,
        "compute": f"{kind.compute[0]}.{kind.compute[1]}",
        "count": kind.cards(memory_mb),
        "nodes": int(nodes),
    }
    return _kit(cache, PROGRAMS, {"card": "".join(f"{key}={value}\n" for key, value in card.items())}, "a fake GPU")


def interposer_kit(cache: Path, memory_mb: int) -> Path:
    """What keeps each process within so much of a card. Raises `UserError` without a compiler."""
    return _kit(cache, INTERPOSERS, {"limit": f"{memory_mb}\n"}, "--gpu-limit interpose")


def _kit(cache: Path, programs: Programs, files: Mapping[str, str], what: str) -> Path:
    made = compiled(cache, SOURCES, programs, what, "--gpu none")
    name = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:12]
    kit = made.with_name(f"{made.name}-{name}")
    if kit.is_dir():
        return kit
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        fresh = Path(scratch, "kit")
        shutil.copytree(made, fresh, copy_function=os.link)
        for file, text in files.items():
            (fresh / file).write_text(text)
        return keep(fresh, kit)
