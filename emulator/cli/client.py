"""A small HTTP/1.1 client for calls to a running emulator: one request, its answer streamed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import httptools
from msgspec import Struct

READ_BYTES = 64 * 1024


class Request(Struct, frozen=True):
    """What to send. Host, length and connection are added where `headers` do not name them."""

    method: str
    target: str
    host: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""

    def encode(self) -> bytes:
        names = {name.lower() for name, _ in self.headers}
        own = [("Host", self.host), ("Content-Length", str(len(self.body))), ("Connection", "close")]
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        given = [(name, value) for name, value in own if name.lower() not in names]
        lines += [f"{name}: {value}" for name, value in [*given, *self.headers]]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


class Reply(Struct, frozen=True):
    """An answer: `headers` have lower-case names; `parts` are the body as it comes."""

    status: int
    headers: Mapping[str, str]
    parts: AsyncIterator[bytes]

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([part async for part in self.parts])


class _Parser:
    """Collects what httptools finds in the bytes of one answer."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.parts: deque[bytes] = deque()
        self.head_done = False
        self.done = False
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    @property
    def status(self) -> int:
        return int(self._parser.get_status_code())

    @property
    def is_framed(self) -> bool:
        """True where the end of the body can be told from a connection that was cut."""
        return "content-length" in self.headers or "chunked" in self.headers.get("transfer-encoding", "")

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        # Several of one name are a list (RFC 9110 §5.3).
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        self.head_done = True

    def on_body(self, data: bytes) -> None:
        self.parts.append(data)

    def on_message_complete(self) -> None:
        self.done = True


@asynccontextmanager
async def send(port: int, request: Request) -> AsyncIterator[Reply]:
    """Send to 127.0.0.1; raises `ConnectionError` where nobody answers, or where the answer is cut off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request.encode())
        parser = _Parser()
        while not parser.head_done:
            await _read_on(reader, parser)
        yield Reply(parser.status, parser.headers, _parts(reader, parser, bodiless=request.method == "HEAD"))
    finally:
        writer.close()


async def _parts(reader: asyncio.StreamReader, parser: _Parser, bodiless: bool) -> AsyncIterator[bytes]:
    while not bodiless:
        while parser.parts:
            yield parser.parts.popleft()
        if parser.done:
            return
        await _read_on(reader, parser)


async def _read_on(reader: asyncio.StreamReader, parser: _Parser) -> None:
    data = await reader.read(READ_BYTES)
    if data:
        try:
            parser.feed(data)
        except httptools.HttpParserError as error:
            raise ConnectionError(f"the answer is not HTTP: {error}") from None
    elif parser.head_done and not parser.is_framed:
        parser.done = True
    else:
        raise ConnectionError("the connection was closed before the answer was complete")
