"""A client of the Debug Adapter Protocol, as plain as one can be: what it measures is the server's."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Message = dict[str, Any]


class DapEnd:
    """One session over TCP. Blocks; raises `OSError` where the server is silent for `patience` seconds."""

    def __init__(self, port: int, patience: float) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        # What a server does about small packets is its own part of the figure; ours must not add to it.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self._numbers = itertools.count(1)
        self._events: list[Message] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # Whoever reads on another thread holds the file until then.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._file.close()
        self._socket.close()

    def send(self, command: str, arguments: Mapping[str, Any] | None = None) -> int:
        """Send a request; returns its number."""
        number = next(self._numbers)
        request = {"seq": number, "type": "request", "command": command, "arguments": arguments or {}}
        body = json.dumps(request).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        return number

    def answer(self, number: int) -> Message:
        """Wait for the answer to a request. Raises `ConnectionError` where it is a refusal."""
        while True:
            message = self._read()
            if message["type"] == "event":
                self._events.append(message)
            elif message.get("request_seq") == number:
                if not message["success"]:
                    raise ConnectionError(f"{message['command']}: {message.get('message')}")
                return dict(message.get("body") or {})

    def ask(self, command: str, arguments: Mapping[str, Any] | None = None) -> Message:
        """Send a request and wait for its answer."""
        return self.answer(self.send(command, arguments))

    def event(self, name: str) -> Message:
        """Wait for an event that nobody has waited for yet."""
        while True:
            for place, message in enumerate(self._events):
                if message["event"] == name:
                    return dict(self._events.pop(place).get("body") or {})
            message = self._read()
            if message["type"] == "event":
                self._events.append(message)

    def attach(self, code: Path, line: int) -> None:
        """With one breakpoint, as editors do it: the answer to `attach` comes after the breakpoints."""
        lines = {"linesStartAt1": True, "columnsStartAt1": True}
        self.ask("initialize", {"adapterID": "debugpy", "pathFormat": "path", **lines})
        attached = self.send("attach", {"justMyCode": True})
        self.event("initialized")
        self.ask("setBreakpoints", {"source": {"path": str(code)}, "breakpoints": [{"line": line}]})
        self.ask("configurationDone")
        self.answer(attached)

    def hear(self) -> None:
        """Read what comes from now on, on a thread, until the session is closed; nothing may be asked any more."""
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                self._read()

    def round_trip_ms(self, command: str, arguments: Mapping[str, Any]) -> float:
        """How long one request takes until its answer is there."""
        began = time.perf_counter()
        self.ask(command, arguments)
        return (time.perf_counter() - began) * 1000

    def _read(self) -> Message:
        length = 0
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise ConnectionError("the debug server closed the connection")
        message: Message = json.loads(self._file.read(length))
        return message
