"""Paths that a project file names: read from its folder, and kept inside it."""

from __future__ import annotations

import os
from pathlib import Path

MAX_TEXT_BYTES = 1024 * 1024


class OutsideProject(ValueError):
    """A path leaves the folder of the project file."""


def inside(root: Path, text: str) -> Path:
    """The real path of `text` under `root`, links followed. Raises `OutsideProject`."""
    path = real(root, text)
    if not is_inside(root, path):
        raise OutsideProject(text)
    return path


def real(root: Path, text: str) -> Path:
    """The real path of `text`, relative to `root`. Raises `OutsideProject` where it can be no path at all."""
    try:
        return Path(os.path.realpath(root / Path(text).expanduser())) if "\0" not in text else _no_path(text)
    except (RuntimeError, OSError, ValueError):
        return _no_path(text)


def links(root: Path, text: str) -> list[Path]:
    """The links that the path of `text` leads through, as far as its own folders go: where they lead may change."""
    path = root / Path(text).expanduser()
    return [it for it in (path, *path.parents) if it.is_relative_to(root) and it != root and it.is_symlink()]


def _no_path(text: str) -> Path:
    raise OutsideProject(text)


def is_inside(root: Path, path: Path) -> bool:
    """Both as real paths; `root` itself is inside."""
    top = os.path.realpath(root)
    return os.path.commonpath((top, os.path.realpath(path))) == top


def read_text(path: Path) -> str:
    """A small UTF-8 text file. Raises `OSError` or `ValueError` (too large, not UTF-8, no regular file)."""
    if not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    with path.open("rb") as stream:
        data = stream.read(MAX_TEXT_BYTES + 1)
    if len(data) > MAX_TEXT_BYTES:
        raise ValueError(f"is larger than {MAX_TEXT_BYTES // 1024} KB")
    return data.decode("utf-8-sig")
