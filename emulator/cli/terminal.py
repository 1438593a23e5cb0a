"""Where commands write: results to stdout, words for people to stderr, colours only where they are wanted."""

from __future__ import annotations

import contextlib
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TextIO

CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
INVISIBLE = ("Mn", "Me", "Cf")


def cell_width(text: str) -> int:
    """How many terminal cells `text` takes: Chinese characters take two, combining marks none."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(char: str) -> int:
    if unicodedata.category(char) in INVISIBLE:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def pad(text: str, width: int) -> str:
    """`text` with spaces up to `width` cells."""
    return text + " " * (width - cell_width(text))


def cut(text: str, width: int) -> str:
    """`text` in at most `width` cells; what is left out is marked by `…`."""
    if cell_width(text) <= width:
        return text
    kept, used = [], 0
    for char in text:
        used += _cells(char)
        if used > width - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"


def columns(rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Rows as lines with aligned columns; the last column is not padded."""
    widths = [max(map(cell_width, cells)) for cells in zip(*rows, strict=True)] if rows else []
    return [gap.join([*map(pad, row[:-1], widths), row[-1]]).rstrip() for row in rows]


class Paint:
    """Colours text, or leaves it alone: `paint("red", text)`."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __call__(self, style: str, text: str) -> str:
        before, behind = self.around(style) if text else ("", "")
        return f"{before}{text}{behind}"

    def around(self, style: str) -> tuple[str, str]:
        """What stands before and behind text of this colour."""
        return (f"\x1b[{CODES[style]}m", "\x1b[0m") if self.enabled else ("", "")


def wants_color(stream: TextIO, choice: str, env: Mapping[str, str]) -> bool:
    """`choice` is the option `color`; NO_COLOR (no-color.org) and TERM=dumb count only for `auto`."""
    if choice != "auto":
        return choice == "always"
    return stream.isatty() and not env.get("NO_COLOR") and env.get("TERM") != "dumb"


class Terminal:
    """The two streams of one command."""

    def __init__(self, out: TextIO, err: TextIO, env: Mapping[str, str], color: str = "auto") -> None:
        self._out = out
        self._err = err
        self._env = env
        self.use_color(color)

    def use_color(self, color: str) -> None:
        """Follow the option `color`, once it is known."""
        self.paint = Paint(wants_color(self._out, color, self._env))
        self.paint_err = Paint(wants_color(self._err, color, self._env))

    @property
    def is_interactive(self) -> bool:
        """True where a person sees stdout."""
        return self._out.isatty()

    @property
    def is_heard(self) -> bool:
        """True where a person sees stderr."""
        return self._err.isatty()

    @property
    def width(self) -> int:
        """Cells of a line; without a terminal lines are not cut."""
        return shutil.get_terminal_size().columns if self._out.isatty() else 10_000

    def write(self, text: str) -> None:
        """Text to stdout at once, in one write."""
        self._out.write(text)
        self._out.flush()

    def write_bytes(self, data: bytes) -> None:
        """A function's result, untouched."""
        self._out.flush()
        self._out.buffer.write(data)
        self._out.buffer.flush()

    def say(self, line: str = "") -> None:
        """One line to stdout."""
        self.write(line + "\n")

    def write_err(self, text: str) -> None:
        """Words for the person; that nobody hears them any more is no failure."""
        with contextlib.suppress(OSError):
            self._err.write(text)
            self._err.flush()

    def tell(self, line: str = "") -> None:
        """One line for the person, on stderr, where it can not mix with results."""
        self.write_err(line + "\n")

    def tell_bytes(self, line: bytes) -> None:
        """A line of a program's output, for the person."""
        self.tell(line.decode("utf-8", "replace"))
