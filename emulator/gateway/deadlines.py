"""What the bytes of a client are at a moment, and how long it may take for each."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Deadlines(Struct, frozen=True):
    """Seconds that a client may take: for a whole head, between two pieces of a body, to read a bit of an answer, and
    to think between two requests."""

    header: float = 10.0
    body: float = 30.0
    write: float = 30.0
    keep_alive: float = 600.0

    @property
    def shortest(self) -> float:
        return min(self.header, self.body, self.write, self.keep_alive)


class Phase(Enum):
    """What the bytes of the client are, now. A connection is idle from the end of a request to the next first byte."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    TUNNEL = "tunnel"
    REFUSED = "refused"
