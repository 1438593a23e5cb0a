"""What a folder's `.gitignore` leaves out: products, logs, data; sources are never among it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

GITIGNORE = ".gitignore"
MAX_BYTES = 256 * 1024


def git_ignored(folder: Path) -> Callable[[str], bool]:
    """By the folder's own file, for paths relative to it; those of folders end in a slash."""
    try:
        with (folder / GITIGNORE).open("rb") as stream:
            lines = stream.read(MAX_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return _nothing
    from pathspec import GitIgnoreSpec  # takes longer to load than most folders to watch

    try:
        return GitIgnoreSpec.from_lines(lines).match_file
    except ValueError:
        return _nothing


def _nothing(path: str) -> bool:
    return False
