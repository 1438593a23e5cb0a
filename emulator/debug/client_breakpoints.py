"""Breakpoints as a client of a debug adapter keeps them: numbered, and sent file by file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from emulator.debug.dap import Message


class Breakpoint(Struct):
    """One breakpoint. With `log` it writes that text and does not stop; a temporary one is removed when it is hit.

    `function` is a name where the breakpoint is for a function; then there is no path and no line. `id` is the
    adapter's, -1 while it has none. What the adapter says of it is in `verified`, `line` and `message`.
    """

    number: int
    path: str = ""
    line: int = 0
    function: str = ""
    condition: str = ""
    log: str = ""
    temporary: bool = False
    id: int = -1
    verified: bool = False
    message: str = ""

    def wire(self) -> Message:
        """As `setBreakpoints` and `setFunctionBreakpoints` take it."""
        place: Message = {"name": self.function} if self.function else {"line": self.line}
        more = {"condition": self.condition, "logMessage": self.log}
        return place | {name: value for name, value in more.items() if value}


class Breakpoints:
    """All of them. Numbers are never given twice."""

    def __init__(self) -> None:
        self._all: dict[int, Breakpoint] = {}
        self._last = 0

    def __iter__(self) -> Iterator[Breakpoint]:
        return iter(tuple(self._all.values()))

    def __len__(self) -> int:
        return len(self._all)

    def add(self, **fields: Any) -> Breakpoint:
        """A new one, or the one of the same place with its condition and its log changed."""
        place = (fields.get("path", ""), fields.get("line", 0), fields.get("function", ""))
        found = next((b for b in self if (b.path, b.line, b.function) == place), None)
        if found is not None:
            found.condition, found.log = fields.get("condition", ""), fields.get("log", "")
            found.temporary = bool(fields.get("temporary")) and found.temporary
            return found
        self._last += 1
        self._all[self._last] = Breakpoint(number=self._last, **fields)
        return self._all[self._last]

    def get(self, number: int) -> Breakpoint | None:
        return self._all.get(number)

    def remove(self, breakpoint_: Breakpoint) -> None:
        self._all.pop(breakpoint_.number, None)

    def in_file(self, path: str) -> list[Breakpoint]:
        """Those of one file, or of functions where `path` is empty."""
        return [b for b in self if b.path == path]

    def files(self) -> list[str]:
        return list(dict.fromkeys(b.path for b in self if b.path))

    def answered(self, sent: list[Breakpoint], answers: list[Message]) -> None:
        """What the adapter said of each that was sent."""
        for breakpoint_, answer in zip(sent, answers, strict=False):
            _take(breakpoint_, answer)

    def changed(self, answer: Message) -> None:
        """The adapter has more to say of one."""
        for breakpoint_ in self:
            if breakpoint_.id == answer.get("id", -2):
                _take(breakpoint_, answer)

    def hit(self, ids: list[int]) -> list[Breakpoint]:
        """Those that a stop names."""
        return [b for b in self if b.id in ids]


def _take(breakpoint_: Breakpoint, answer: Message) -> None:
    breakpoint_.id = answer.get("id", breakpoint_.id)
    breakpoint_.verified = bool(answer.get("verified"))
    breakpoint_.line = answer.get("line", breakpoint_.line)
    breakpoint_.message = answer.get("message", "")
