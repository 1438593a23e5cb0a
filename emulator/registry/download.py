"""How many bytes FC would send of a code folder or a layer, which it keeps as a zip file: an estimate for folders."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from emulator.registry.fingerprint import package_files

# Of a larger file, so many pieces are compressed in place of all of it.
_WHOLE_BYTES = 256 * 1024
_PIECES, _PIECE_BYTES = 8, 16 * 1024
# The local header, the entry in the directory and the name in both.
_ENTRY_BYTES = 30 + 46


def download_bytes(path: Path) -> int:
    """The size of an archive; of a folder, what its files take when they are compressed as zip does it. What can not be
    read counts nothing."""
    if path.is_file():
        return path.stat().st_size
    return sum(_entry_bytes(file, path) for file in package_files(path))


def _entry_bytes(file: Path, folder: Path) -> int:
    head = _ENTRY_BYTES + 2 * len(os.fsencode(file.relative_to(folder)))
    try:
        return head if file.is_symlink() else head + _compressed(file)
    except OSError:
        return head


def _compressed(file: Path) -> int:
    size = file.stat().st_size
    with file.open("rb") as stream:
        if size <= _WHOLE_BYTES:
            data = stream.read()
            return min(len(zlib.compress(data)), len(data))
        packed = 0
        for piece in range(_PIECES):
            stream.seek((size - _PIECE_BYTES) * piece // (_PIECES - 1))
            packed += min(len(zlib.compress(stream.read(_PIECE_BYTES))), _PIECE_BYTES)
    return size * packed // (_PIECES * _PIECE_BYTES)
