"""HTTP/1.1 to one instance: streamed both ways, keep-alive, upgrade. No policy, no FC headers.

A hand-written protocol on httptools, since the gateway's cost per invocation is mostly this hop
(httpx cost 13 times and aiohttp 2.5 times the throughput here).
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import cast

import httptools

from emulator.instance.same_head import MOST_MISSES, KnownAnswer, head_of
from emulator.model.invocation import Body, Header, Stream

# A response is read ahead of its consumer up to this many bytes, then the instance has to wait.
READ_AHEAD_BYTES = 256 * 1024
# An answer whose head is still open after this much is hostile: the parser itself has no limit.
HEAD_BYTES = 128 * 1024


class WireError(Exception):
    """The exchange can not be completed: closed, malformed, or given up by us."""


class WireClosed(WireError):
    """The instance closed the connection. `answered` is true when it had begun to answer."""

    def __init__(self, answered: bool) -> None:
        super().__init__("connection closed by the instance")
        self.answered = answered


class WireGarbage(WireError):
    """The instance answered something that is not HTTP."""


class WireBodyBroken(WireError):
    """The caller's request body broke off while it was sent on: too large, or the client is gone."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"request body broke off: {cause}")
        self.cause = cause


class WireResponse:
    """One answer: head, and its body as bytes when it came in one piece, else as a stream."""

    __slots__ = ("_wire", "body", "complete", "headers", "length", "status", "upgraded")

    def __init__(self, wire: Wire, status: int, headers: list[Header]) -> None:
        self._wire = wire
        self.status = status
        self.headers = headers
        self.body: bytes = b""
        self.complete = False
        self.length: int | None = None
        self.upgraded = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing follows."""
        return self.complete and not self.upgraded

    def stream(self) -> Stream:
        return self._wire.read_body()

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        return self._wire.detach()


OnHead = Callable[[WireResponse | WireError], None]


class Wire(asyncio.Protocol):
    """One connection; carries one exchange at a time. `reusable` tells whether another may follow."""

    def __init__(self) -> None:
        # `get_running_loop` asks the kernel for our pid each time.
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._on_head: OnHead | None = None
        self._response: WireResponse | None = None
        self._headers: list[Header] = []
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._more: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._sender: asyncio.Task[None] | None = None
        self._complete = True
        self._until_eof = False
        self._no_body = False
        self._keep = True
        self._error: WireError | None = None
        self._paused = False
        self._early = b""
        # What came until the head of the answer was whole, so no less than that head.
        self.head_bytes = 0
        self._known: KnownAnswer | None = None
        self._misses = 0
        self.closed = False

    # --- connection ---

    @classmethod
    async def open(cls, sock: socket.socket) -> Wire:
        """A wire over a connected socket, which it owns from here on."""
        loop = asyncio.get_running_loop()
        if sock.family == socket.AF_UNIX:
            _, wire = await loop.create_unix_connection(cls, sock=sock)
        else:
            _, wire = await loop.create_connection(cls, sock=sock)
        return wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if not self._complete and self._response is not None and self._until_eof and exc is None:
            self._finish()
            self._deliver()
        elif not self._complete:
            self._fail(WireClosed(self._response is not None))
        self.resume_writing()

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    @property
    def reusable(self) -> bool:
        return not self.closed and self._complete and self._keep and self._error is None and self._sender is None

    def close(self) -> None:
        if self._sender is not None:
            self._sender.cancel()
        if self._transport is not None:
            self._transport.abort()

    def abandon(self, error: WireError) -> None:
        """Give the running exchange up (deadline, client gone): whoever waits for it gets `error`."""
        self._fail(error)
        self.close()

    # --- sending ---

    def request(
        self, head: bytes, body: Body, *, chunked: bool = False, no_body: bool = False
    ) -> asyncio.Future[WireResponse]:
        """`send` for who can wait: the result is the answer's head."""
        answer: asyncio.Future[WireResponse] = self._loop.create_future()

        def settle(found: WireResponse | WireError) -> None:
            if answer.done():
                return
            if isinstance(found, WireError):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        self.send(head, body, settle, chunked=chunked, no_body=no_body)
        return answer

    def send(self, head: bytes, body: Body, on_head: OnHead, *, chunked: bool = False, no_body: bool = False) -> None:
        """Send one request; `on_head` is called once, with its answer's head or with why none comes.

        `head` ends with its blank line. A streamed `body` is framed here when `chunked`. `no_body` is for HEAD.
        """
        self._response = None
        self._complete = False
        self._until_eof = False
        self._no_body = no_body
        self._headers = []
        self.head_bytes = 0
        transport = self._transport
        if transport is None or self.closed:
            on_head(WireClosed(answered=False))
            return
        self._on_head = on_head
        if isinstance(body, bytes):
            transport.write(head + body if body else head)
        else:
            transport.write(head)
            self._sender = self._loop.create_task(self._pump(body, chunked))

    async def _pump(self, body: Stream, chunked: bool) -> None:
        """Pump a streamed request body, no faster than the instance reads."""
        try:
            async for piece in body:
                if not piece:
                    continue
                self._write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                if self._writable is not None:
                    await self._writable
            if chunked:
                self._write(b"0\r\n\r\n")
        except Exception as error:  # the caller's body broke off: the exchange can't go on
            self.abandon(WireBodyBroken(error))
        finally:
            self._sender = None

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self.closed:
            self._transport.write(data)

    # --- receiving: called by the transport and the parser ---

    def data_received(self, data: bytes) -> None:
        if self._complete:
            # Bytes that belong to no exchange: the instance talks out of turn.
            self._keep = False
            self._early += data
            if len(self._early) > READ_AHEAD_BYTES:
                self.close()
            return
        if self._response is None:
            known = self._known
            if known is not None and not self.head_bytes and not self._no_body and known.fits(data):
                self._answered_so(known, data)
                return
            self.head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._early = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self._garbled(error)
            return
        if self._response is None and self.head_bytes > HEAD_BYTES:
            self._fail(WireGarbage("the head of the answer does not end"))
            self.close()
        self._learn(data)
        self._deliver()

    def _answered_so(self, known: KnownAnswer, data: bytes) -> None:
        """As the parser would tell it."""
        self.head_bytes = len(data)
        response = self._response = WireResponse(self, known.status, [*known.headers])
        response.length = len(data) - len(known.head)
        if response.length:
            self._chunks.append(data[len(known.head) :])
            self._buffered = response.length
        self._keep = True
        self._finish()
        self._deliver()

    def _learn(self, data: bytes) -> None:
        """Where an answer has come in one piece, the next one may be like it."""
        response, body_bytes = self._response, self._buffered
        if not self._complete or self.head_bytes != len(data) or self._misses >= MOST_MISSES:
            return
        if response is None or response.upgraded or self._no_body or not self._keep:
            return
        self._misses += 1
        head = head_of(data, body_bytes) if response.length == body_bytes else None
        self._known = None if head is None else KnownAnswer(head, len(data), response.status, [*response.headers])

    def _garbled(self, error: Exception) -> None:
        """What came can not be read. Behind a whole answer that spoils the wire, not the answer."""
        self._keep = False
        if not self._complete:
            self._fail(WireGarbage(f"malformed answer: {error}"))
        self._deliver()
        self.close()

    def on_message_begin(self) -> None:
        if self._complete:
            # Another answer begins in one piece with the last one: it would spoil the next.
            self._keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._complete:
            # A second answer in one piece with the first, to a request that was never made.
            self._keep = False
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._headers = []
            return
        response = self._response = WireResponse(self, status, self._headers)
        framed = False
        for name, value in self._headers:
            if name == b"content-length":
                framed = True
                response.length = int(value)
            elif name == b"transfer-encoding":
                framed = True
        if status == 101:
            response.upgraded = True
            self._finish()
            self._keep = False
            if self._transport is not None:
                self._transport.pause_reading()  # what follows is for whoever takes the transport over
        elif self._no_body:
            # The parser can't know that this answers a HEAD: it would wait for the body, so it is replaced.
            self._keep = self._parser.should_keep_alive()
            self._parser = httptools.HttpResponseParser(self)
            self._finish()
        else:
            self._until_eof = not framed and status not in (204, 304)

    def on_body(self, data: bytes) -> None:
        if self._complete:
            self._keep = False
            return
        self._chunks.append(data)
        self._buffered += len(data)
        if self._buffered > READ_AHEAD_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        response = self._response
        if response is not None and not self._complete:
            # Some servers give these a body, which would be read as the beginning of the next answer.
            has_body = response.status in (204, 304) and response.length
            self._keep = self._parser.should_keep_alive() and not has_body
            self._finish()

    def _finish(self) -> None:
        self._complete = True
        # What comes now must not join the headers of this answer.
        self._headers = []
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    def _deliver(self) -> None:
        """Hand the head over once, after the whole piece was parsed: a short answer then has its body with it."""
        on_head, response = self._on_head, self._response
        if on_head is not None and response is not None:
            self._on_head = None
            if self._complete:
                response.complete = True
                response.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
                self._chunks.clear()
                self._buffered = 0
            # The last thing done here: whoever is told may send the next request at once.
            on_head(response)
        elif self._more is not None and self._chunks and not self._more.done():
            self._more.set_result(None)

    def _fail(self, error: WireError) -> None:
        if self._complete and self._on_head is None:
            return
        self._error = self._error or error
        self._complete = True
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
        on_head, self._on_head = self._on_head, None
        if on_head is not None:
            on_head(self._error)

    async def read_body(self) -> AsyncIterator[bytes]:
        """Pieces of the body as they come; raises `WireError` where it breaks off."""
        while True:
            while self._chunks:
                piece = self._chunks.popleft()
                self._buffered -= len(piece)
                if self._paused and self._buffered < READ_AHEAD_BYTES // 2 and self._transport is not None:
                    self._paused = False
                    self._transport.resume_reading()
                yield piece
            if self._error is not None:
                raise self._error
            if self._complete:
                return
            self._more = self._loop.create_future()
            await self._more
            self._more = None

    # --- upgrade ---

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        """The transport and the bytes that already came behind the 101 head; the wire is done after this."""
        if self._transport is None:
            raise WireClosed(answered=True)
        self._keep = False
        return self._transport, self._early
