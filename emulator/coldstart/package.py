"""How large a deployment is, as it lies on the disk."""

from __future__ import annotations

import os
from pathlib import Path

from emulator.coldstart.study import Package
from emulator.model.function import Revision


def package_of(revision: Revision) -> Package:
    """Its code folder and its layers. What can not be read counts nothing."""
    code, files = _size(revision.code_dir)
    layers = 0
    for layer in revision.function.layers:
        size, count = _size(layer.path)
        layers, files = layers + size, files + count
    return Package(code, layers, files)


def _size(folder: Path | None) -> tuple[int, int]:
    """Bytes and number of the files below."""
    size = count = 0
    for path, _, names in os.walk(folder) if folder is not None else ():
        for name in names:
            try:
                size += os.lstat(f"{path}/{name}").st_size
            except OSError:
                continue
            count += 1
    return size, count
