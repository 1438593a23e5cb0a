"""Answers of unknown length for clients of HTTP/1.0, which uvicorn would send in chunks that they can not read."""

from __future__ import annotations

import sys

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class UnchunkedSend:
    """Takes the place of a cycle's `send`: the body ends with the connection (RFC 9112 §6.3)."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._send = cycle.send
        self._unchunked = False

    async def __call__(self, message: ASGISendEvent) -> None:
        cycle = self._cycle
        if message["type"] == "http.response.start":
            headers = [h for h in message.get("headers", ()) if h[0].lower() != b"transfer-encoding"]
            message = {**message, "headers": headers}
            if not any(name.lower() == b"content-length" for name, _ in headers):
                self._unchunked = True
                cycle.chunked_encoding = False
                cycle.expected_content_length = sys.maxsize
        elif self._unchunked and message["type"] == "http.response.body" and not message.get("more_body", False):
            cycle.expected_content_length = len(message.get("body", b""))
        await self._send(message)
