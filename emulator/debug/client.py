"""The client's end of the Debug Adapter Protocol: requests that wait for their answer, and events in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from emulator.debug.dap import Framing, Message, NotDap, frame

READ_BYTES = 64 * 1024
GONE = "the debug adapter has closed the connection"


class DapError(Exception):
    """A request was refused, or will not be answered any more."""


class DapClient:
    """One connection to a debug adapter.

    `on_event` is called for each event in order, and with `terminated` when the connection ends; `closed` is set then.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_event: OnEvent) -> None:
        self._reader = reader
        self._writer = writer
        self._on_event = on_event
        self._seq = 0
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self.closed = asyncio.Event()
        self._reading = asyncio.create_task(self._read(), name="read from the debug adapter")

    @classmethod
    async def connect(cls, host: str, port: int, on_event: OnEvent) -> DapClient:
        """Raises `OSError` where nobody listens."""
        return cls(*await asyncio.open_connection(host, port), on_event)

    def send(self, command: str, arguments: Message | None = None) -> asyncio.Future[Message]:
        """Send a request; the future is its answer's body, or `DapError`. Requests go out in the order of calls."""
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        if self.closed.is_set():
            _fail(answer, GONE)
            return answer
        self._asked[self._next_seq()] = answer
        self._write({"seq": self._seq, "type": "request", "command": command, "arguments": arguments or {}})
        return answer

    async def request(self, command: str, **arguments: Any) -> Message:
        """Send a request and wait for its body. Raises `DapError`."""
        return await self.send(command, arguments)

    async def aclose(self) -> None:
        """Close the connection; what was asked and not answered fails."""
        self._writer.close()
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def _write(self, message: Message) -> None:
        self._writer.write(frame(message))

    async def _read(self) -> None:
        framing = Framing()
        try:
            while data := await self._reader.read(READ_BYTES):
                for message in framing.feed(data):
                    self._take(message)
        except (OSError, NotDap):
            pass
        finally:
            self.closed.set()
            for answer in self._asked.values():
                _fail(answer, GONE)
            self._asked.clear()
            self._on_event("terminated", {})

    def _take(self, message: Message) -> None:
        match message.get("type"):
            case "response":
                self._answered(message)
            case "event":
                self._on_event(str(message.get("event")), message.get("body") or {})
            case "request":
                # `runInTerminal` and the like: nothing that this client does for an adapter.
                answer = {"type": "response", "request_seq": message.get("seq"), "command": message.get("command")}
                self._write({"seq": self._next_seq(), **answer, "success": False, "message": "notSupported"})

    def _answered(self, message: Message) -> None:
        answer = self._asked.pop(message.get("request_seq", 0), None)
        if answer is None or answer.done():
            return
        if message.get("success"):
            answer.set_result(message.get("body") or {})
        else:
            _fail(answer, _reason(message))


def _fail(answer: asyncio.Future[Message], reason: str) -> None:
    if not answer.done():
        answer.set_exception(DapError(reason))
        answer.exception()  # who asked may have left


def _reason(message: Message) -> str:
    error = (message.get("body") or {}).get("error") or {}
    text = str(error.get("format") or message.get("message") or "the request failed")
    for name, value in (error.get("variables") or {}).items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


OnEvent = Callable[[str, Message], None]
