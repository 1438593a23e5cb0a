"""Where code is broken, whichever language it is."""

from __future__ import annotations

from msgspec import Struct


class Broken(Struct, frozen=True):
    """`line` is 0 where that is not known, `source` the line itself."""

    name: str
    line: int
    message: str
    source: str = ""
