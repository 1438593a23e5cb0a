"""Cuts what an instance sends into lines."""

from __future__ import annotations


class LineTooLong(Exception):
    """A line has no end: whoever sends it is not to be listened to any more."""


class Lines:
    """`most` is how long a line may be, in bytes: what an instance says is not to be trusted."""

    __slots__ = ("_length", "_most", "_pieces")

    def __init__(self, most: int) -> None:
        self._most = most
        self._pieces: list[bytes] = []
        self._length = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that have come to their end, without it. Raises `LineTooLong`."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = b"".join((*self._pieces, lines[0]))
            self._pieces, self._length = [], 0
        if rest:
            self._pieces.append(rest)
            self._length += len(rest)
        if self._length > self._most:
            raise LineTooLong
        return lines
