"""Reads `.env` files, as the official tool does beside s.yaml and in the code folder (platform.md §3.1.1)."""

from __future__ import annotations

import re
from pathlib import Path

from emulator.config.paths import read_text

_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z_][\w.-]*)[ \t]*=[ \t]*
    (?:'(?P<single>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)"|`(?P<back>[^`]*)`|(?P<bare>[^\r\n]*))""",
    re.MULTILINE | re.VERBOSE,
)


def parse(text: str) -> dict[str, str]:
    """`KEY=value` lines; quoted values may span lines, unquoted ones end at ` #`; `\\n` counts in double quotes."""
    found: dict[str, str] = {}
    for match in _LINE.finditer(text):
        if match["double"] is not None:
            value = match["double"].replace("\\n", "\n").replace("\\r", "\r").replace('\\"', '"').replace("\\\\", "\\")
        elif match["bare"] is not None:
            value = re.split(r"(?:^|\s)#", match["bare"], maxsplit=1)[0].strip()
        else:
            value = match["single"] if match["single"] is not None else match["back"]
        found[match["key"]] = value
    return found


def load(path: Path) -> dict[str, str]:
    """The variables of a file; none where it is absent or unreadable."""
    try:
        return parse(read_text(path))
    except (OSError, ValueError):
        return {}
