"""Why a file of an editor is left as it is."""

from __future__ import annotations


class Unreadable(Exception):
    """The text is not what its editor reads. `line` and `column` count from 1."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.message = message


def at(text: str, offset: int, message: str) -> Unreadable:
    """The error at this offset of the text."""
    before = text[:offset].replace("\r\n", "\n").replace("\r", "\n")
    line_start = before.rfind("\n") + 1
    return Unreadable(before.count("\n") + 1, len(before[line_start:].lstrip("\ufeff")) + 1, message)
