"""What stays out of a function's package: FC's own rules and `.fcignore`, as far as code folders are concerned."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from pathlib import Path

# Kept out of the fingerprint as well as of the package: changing them changes no function. Caches of tools and what
# editors keep beside the code: their projects, swap files, backups, vim's `4913` probe, the safe write of JetBrains.
IGNORED_FOLDERS = (
    ".git", ".hg", ".svn", ".fclocal", ".s", "__pycache__", ".idea", ".vscode", ".mypy_cache", ".pytest_cache",
    ".ruff_cache", ".tox",
)  # fmt: skip
IGNORED_NAMES = (
    ".DS_Store", "*.pyc", "*~", ".*.sw[a-z]", "4913", ".#*", "*___jb_tmp___", "*___jb_old___", "*___jb_bak___",
    ".goutputstream-*",
)  # fmt: skip
ALWAYS_IGNORED = (*(f"{name}/" for name in IGNORED_FOLDERS), *IGNORED_NAMES)
IGNORE_FILES = (".fcignore", ".funignore")
MAX_IGNORE_BYTES = 256 * 1024
_IGNORED_NAME = re.compile("|".join(fnmatch.translate(name) for name in IGNORED_NAMES))
_FOLDERS = frozenset(IGNORED_FOLDERS)


def ignored(code: Path) -> Callable[[str], bool]:
    """Whether a path below the folder stays out of its package; paths of folders end in a slash."""
    lines = []
    for name in IGNORE_FILES:
        path = code / name
        if path.is_file():
            with path.open("rb") as stream:
                lines += stream.read(MAX_IGNORE_BYTES).decode("utf-8", "replace").splitlines()
    return _by_patterns(lines) if lines else is_out


def is_out(path: str) -> bool:
    """What ALWAYS_IGNORED means, for folders without an ignore file."""
    name = path.rstrip("/").rpartition("/")[2]
    return _IGNORED_NAME.fullmatch(name) is not None or (path[-1] == "/" and name in _FOLDERS)


def _by_patterns(lines: list[str]) -> Callable[[str], bool]:
    # Takes longer to load than ten functions to deploy, and few folders have an ignore file.
    from pathspec import GitIgnoreSpec

    try:
        spec = GitIgnoreSpec.from_lines([*ALWAYS_IGNORED, *lines])
    except ValueError:
        spec = GitIgnoreSpec.from_lines(ALWAYS_IGNORED)
    return spec.match_file
