"""What the bench asks of a server: one protocol for the product and every peer."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.load import OK, Load
from bench.processes import Process

PATIENCE_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Launch:
    """How one server is started, and where its function answers."""

    argv: tuple[str, ...]
    path: str
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)


class ServerFailed(Exception):
    """A server did not start, or does not answer as it should; the text says what it said."""


class Server(Protocol):
    """A server with an echo function."""

    @property
    def name(self) -> str:
        """Its name on the command line and in the results."""
        ...

    @property
    def title(self) -> str:
        """Its name in the table."""
        ...

    def prepare(self) -> str:
        """Install what it needs and return its versions. Raises `Absent` where that can not be had."""
        ...

    def launch(self, folder: Path, port: int) -> Launch:
        """Write what it needs into the empty `folder`."""
        ...


class Running:
    """A server that answers."""

    def __init__(self, name: str, process: Process, port: int, path: str) -> None:
        self.name = name
        self.process = process
        self.port = port
        self.path = path

    @property
    def has_died(self) -> bool:
        return self.process.exit_code is not None

    def call(self, body: str, path: str = "") -> Answer:
        """One call on a connection of its own."""
        return ask(self.port, "POST", path or self.path, body)

    def load(
        self,
        body: str,
        connections: int,
        *,
        seconds: float = 0,
        calls: int = 0,
        pause_ms: float = 0,
        patience_seconds: float = 30,
    ) -> Load:
        """A load on it; right answers have the length of the answer to one call made now.

        Raises `ServerFailed` where that call is not echoed.
        """
        try:
            answer = self.call(body)
        except http.client.HTTPException as error:
            raise ServerFailed(f"{self.name} does not speak HTTP: {error!r}") from None
        if answer.status != OK or json.loads(answer.text) != json.loads(body):
            raise ServerFailed(f"{self.name} does not echo: {answer.status} {answer.text[:200]}")
        length = len(answer.text.encode())
        return Load(
            self.port,
            self.path,
            body,
            connections,
            seconds,
            calls,
            pause_ms,
            answer_bytes=length,
            patience_seconds=patience_seconds,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a single call, `seconds` after it was sent."""

    status: int
    text: str
    seconds: float


def ask(port: int, method: str, path: str, body: str = "", patience_seconds: float = PATIENCE_SECONDS) -> Answer:
    """One request on a connection of its own. Raises `OSError` or `http.client.HTTPException` without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience_seconds)
    try:
        connection.connect()
        began = time.perf_counter()
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        return Answer(response.status, text, time.perf_counter() - began)
    finally:
        connection.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def echo_body(size: int) -> str:
    """A JSON document of `size` bytes, since some peers take nothing else as an event."""
    frame = '{"data":"%s"}'
    return frame % ("a" * (size - len(frame) + 2))
