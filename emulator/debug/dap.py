"""Framing of the Debug Adapter Protocol: messages out of bytes, and into bytes.

A web page can send a POST whose body is a DAP message to any port of this machine. Its head has other headers than
DAP's own, and whoever sends one is cut off: what reads on would hand a debugger to every page.
"""

from __future__ import annotations

import json
from typing import Any

Message = dict[str, Any]

MAX_HEAD_BYTES = 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
HEADERS = frozenset({b"content-length", b"content-type"})


class NotDap(Exception):
    """What comes is not the Debug Adapter Protocol: the connection must be closed."""


class Framing:
    """Takes bytes as they come, and gives the messages that are complete."""

    def __init__(self) -> None:
        self._data = bytearray()
        # Of the message whose head has been read.
        self._length: int | None = None

    def feed(self, data: bytes) -> list[Message]:
        """Raises `NotDap`."""
        self._data += data
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> Message | None:
        if self._length is None:
            self._length = self._head()
        if self._length is None or len(self._data) < self._length:
            return None
        body = bytes(self._data[: self._length])
        del self._data[: self._length]
        self._length = None
        return _message(body)

    def _head(self) -> int | None:
        """The length of the body, once the head is there. Each line is judged as soon as it begins to be another's."""
        end = self._data.find(b"\r\n\r\n")
        head = bytes(self._data[: end if end >= 0 else MAX_HEAD_BYTES + 1])
        length = _length(head, complete=end >= 0)
        if end < 0:
            if len(self._data) > MAX_HEAD_BYTES:
                raise NotDap("the head does not end")
            return None
        del self._data[: end + 4]
        if length is None:
            raise NotDap("no Content-Length")
        return length


def _length(head: bytes, *, complete: bool) -> int | None:
    length = None
    lines = head.split(b"\r\n")
    for line in lines if complete else lines[:-1]:
        name, colon, value = line.partition(b":")
        if not colon or name.strip().lower() not in HEADERS:
            raise NotDap("a header that is not DAP's")
        if name.strip().lower() == b"content-length":
            digits = value.strip()
            if length is not None or not digits.isdigit() or len(digits) > 9 or int(digits) > MAX_BODY_BYTES:
                raise NotDap("a wrong Content-Length")
            length = int(digits)
    return length


def _message(body: bytes) -> Message:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise NotDap("a message that is no JSON") from None
    if not isinstance(message, dict):
        raise NotDap("a message that is no object")
    return message


def frame(message: Message) -> bytes:
    """A message as it is sent."""
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
