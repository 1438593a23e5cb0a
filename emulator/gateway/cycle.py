"""One request and its answer: uvicorn's cycle, whose `send` writes a whole answer at once.

uvicorn writes head and body apart and matches two patterns against each header: a fifth of what a warm invocation
costs the gateway.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, cast

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from emulator.instance.exchange import StreamBroken
from emulator.model.invocation import Header
from emulator.model.limits import STREAM_ABOVE_BYTES

# Key of `http.response.start`: true where the whole body follows in the next message, so that the head may wait for it.
WHOLE = "fclocal.whole"
# An application that must know at once of a client that went puts a function without arguments here in its scope;
# `receive` tells the same, to whoever waits for it.
ON_DISCONNECT = "fclocal.on_disconnect"
App = Callable[..., Awaitable[None]]
FRAMING = frozenset({b"connection", b"content-length", b"transfer-encoding"})


class Failed(Exception):
    """Raised by an application for a fault of its own that it has kept. `answer` is given ASGI's `send`, if nothing was
    sent yet."""

    def __init__(self, answer: Callable[[Any], Awaitable[None]]) -> None:
        super().__init__()
        self.answer = answer


class GatewayLog(logging.LoggerAdapter[logging.Logger]):
    """The logger given to uvicorn's classes: ours, without its traces and without the end of requests that were
    cancelled, or whose function broke off its answer, which the journal has told; and without faults that are kept."""

    level = logging.WARNING

    def __init__(self) -> None:
        super().__init__(logging.getLogger("emulator.gateway"), {})

    def error(self, msg: object, *args: object, **kwargs: Any) -> None:
        if not isinstance(kwargs.get("exc_info"), asyncio.CancelledError | StreamBroken | Failed):
            super().error(str(msg).rstrip(), *args, **kwargs)


_line = b": ".join


def _nothing() -> None:
    pass


class Cycle(RequestResponseCycle):
    """See `RequestResponseCycle`; the answer on the wire is the same."""

    # What is the same for each request, or for most.
    access_log = False
    disconnected = False
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    body: bytes = b""  # type: ignore[assignment]
    _task: asyncio.Task[None] | None = None
    _held = b""
    # Whether something came that `receive` has not told yet, and the event for who waits for it.
    _news = False
    _event: asyncio.Event | None = None

    def __init__(self, protocol: HttpToolsProtocol, *, keep_alive: bool) -> None:
        """For the request that `protocol` has just read the head of. uvicorn's own `__init__` sets 18 attributes."""
        self.scope = protocol.scope
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.logger = protocol.logger
        self.access_logger = protocol.access_logger
        self.default_headers = protocol.server_state.default_headers
        self.on_response = protocol.on_response_complete
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = protocol.expect_100_continue
        self._tasks = protocol.tasks
        self._loop = protocol.loop

    @property
    def message_event(self) -> asyncio.Event:  # type: ignore[override]
        """Made for the first who waits: for most requests nobody does."""
        if self._event is None:
            self._event = asyncio.Event()
        return self._event

    def _tell(self) -> None:
        self._news = True
        if self._event is not None:
            self._event.set()

    def start(self, app: App) -> None:
        """Run the application in a task, which is among `tasks` until it ends."""
        self._task = task = self._loop.create_task(self.run_asgi(app))
        self._tasks.add(task)

    def answer(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Give the whole answer to a POST, where no application runs. `headers` say nothing of how it is framed."""
        if self.disconnected:
            return
        if self.flow.write_paused:
            self.start(canned(status, [*headers, (b"content-length", b"%d" % len(body))], body))
            return
        self.response_started = True
        framing = [b"content-length: %d" % len(body)]
        if not self.keep_alive:
            framing.append(b"connection: close")
        head = self._joined(status, [*map(_line, self.default_headers), *map(_line, headers), *framing])
        self.transport.write(head + body)
        self._complete()
        self.on_response = _nothing

    def hold_up(self) -> None:
        """Be among `tasks` until the answer is given, also where no application runs."""
        if not (self._task or self.response_complete):
            self._task = self._loop.create_task(self._until_end())
            self._tasks.add(self._task)
            self._task.add_done_callback(self._tasks.discard)

    async def _until_end(self) -> None:
        while not (self.response_complete or self.disconnected):
            self.message_event.clear()
            await self.message_event.wait()

    async def run_asgi(self, app: App) -> None:
        task = self._task
        try:
            await app(self.scope, self.receive, self.send)
            if not self.response_complete and not self.disconnected:
                raise RuntimeError("the application returned without a complete answer")
        except BaseException as error:
            self.logger.error("the gateway could not answer", exc_info=error)
            if self.response_started:
                self.transport.close()
            elif isinstance(error, Failed):
                await error.answer(self.send)
            else:
                await self.send_500_response()
        finally:
            # Without this, the cycle and its protocol would keep each other alive.
            self.on_response = _nothing
            # Not by a callback of the task, which would be one more turn of the loop for each request.
            self._tasks.discard(cast("asyncio.Task[None]", task))

    def hear(self, piece: bytes) -> None:
        """A piece of the body has come. Most bodies are one piece, which then is never copied."""
        if not self.response_complete:
            body = self.body + piece if self.body else piece
            self.body = body
            if len(body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            self._tell()

    def hear_end(self) -> None:
        if not self.response_complete:
            self.more_body = False
            self._tell()

    @property
    def is_small(self) -> bool:
        """Whether the request is here to its end, and small enough for its body never to be a stream."""
        return (
            not (self.more_body or self.waiting_for_100_continue or self.disconnected)
            and len(self.body) <= STREAM_ABOVE_BYTES
        )

    async def receive(self) -> ASGIReceiveEvent:
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not self.disconnected and not self.response_complete:
            self.flow.resume_reading()
            if not self._news:
                self.message_event.clear()
                await self.message_event.wait()
            self._news = False
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self.body = self.body, b""
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if not self.response_started and kind == "http.response.start":
            head = self._head(message["status"], message.get("headers", ()))
            if message.get(WHOLE):
                self._held = head
            else:
                self.transport.write(head)
        elif self.response_started and not self.response_complete and kind == "http.response.body":
            self._go_on(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"unexpected ASGI message '{kind}'")

    def _head(self, status: int, headers: Iterable[Header]) -> bytes:
        self.response_started = True
        self.waiting_for_100_continue = False
        lines = []
        for header in (*self.default_headers, *headers):
            # ASGI has lower-case names.
            if header[0] in FRAMING and not self._frame(*header):
                continue
            lines.append(_line(header))
        if not self.keep_alive:
            lines.append(b"connection: close")
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in (204, 304):
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked")
        return self._joined(status, lines)

    def _joined(self, status: int, lines: Sequence[bytes]) -> bytes:
        head = STATUS_LINE[status] + b"\r\n".join(lines) + b"\r\n\r\n"
        if not head.count(b"\r") == head.count(b"\n") == len(lines) + 2:
            raise RuntimeError("a header of the answer has a line break in it")
        return head

    def _frame(self, name: bytes, value: bytes) -> bool:
        """Note how the body is delimited; false for a header that is not passed on."""
        if name == b"connection":
            self.keep_alive = self.keep_alive and b"close" not in value.lower()
            return False
        if name == b"content-length" and self.chunked_encoding is None:
            self.expected_content_length = int(value)
            self.chunked_encoding = False
        elif name == b"transfer-encoding" and value.lower() == b"chunked":
            self.expected_content_length = 0
            self.chunked_encoding = True
        return True

    def _go_on(self, body: bytes, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            body = b""
        elif self.chunked_encoding:
            end = b"" if more else b"0\r\n\r\n"
            body = b"%x\r\n%b\r\n%b" % (len(body), body, end) if body else end
        else:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0:
                raise RuntimeError("the answer is longer than its Content-Length")
        held, self._held = self._held, b""
        if held or body:
            self.transport.write(held + body if held else body)
        if not more:
            self._complete()

    def _complete(self) -> None:
        if self.expected_content_length != 0:
            raise RuntimeError("the answer is shorter than its Content-Length")
        self.response_complete = True
        self._tell()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def canned(status: int, headers: Iterable[Header], body: bytes) -> App:
    """An application that gives an answer which is there already."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers, WHOLE: True})
        await send({"type": "http.response.body", "body": body})

    return app


def raising(fault: Exception) -> App:
    """An application that failed already."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise fault

    return app


def refusal(status: int) -> App:
    """An application that answers `status`, for a broken request that was queued behind others."""
    return canned(status, [(b"content-length", b"0"), (b"connection", b"close")], b"")
