"""One HTTP request to a started emulator, and its answer as bytes."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.command import PATIENCE_SECONDS, Running


@dataclass(frozen=True)
class Answer:
    status: int
    pairs: list[tuple[str, str]]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case; the last of equal ones."""
        return {name.lower(): value for name, value in self.pairs}

    @property
    def names(self) -> set[str]:
        return set(self.headers)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, code and message of one of FC's own errors."""
        assert self.headers["content-type"] == "application/json" and self.headers["x-fc-request-id"], self
        body = self.json
        assert body["RequestId"] == self.headers["x-fc-request-id"]
        assert body["Code"] == body["ErrorCode"] == body["errorCode"]
        assert body["Message"] == body["ErrorMessage"] == body["errorMessage"]
        return self.status, body["Code"], body["Message"]


def ask(
    emulator: Running,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    host: str = "",
) -> Answer:
    """A body that is no bytes is sent in chunks; `host` is a host name without port."""
    sent = {**({"Host": f"{host}:{emulator.port}"} if host else {}), **(headers or {})}
    connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=PATIENCE_SECONDS)
    with contextlib.closing(connection):
        chunked = body is not None and not isinstance(body, bytes)
        connection.request(method, path, body, sent, encode_chunked=chunked)
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())


def visit(emulator: Running, function: str, path: str = "/", **more: Any) -> Answer:
    """A function's own URL; GET unless `method` says otherwise."""
    return ask(emulator, more.pop("method", "GET"), path, host=f"{function}.localhost", **more)


def invoke(emulator: Running, function: str, event: bytes | Iterable[bytes] = b"", **headers: str) -> Answer:
    """InvokeFunction; `x_fc_log_type="Tail"` is a header."""
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(emulator, "POST", f"/2023-03-30/functions/{function}/invocations", event, own)


def summary_of(event: Mapping[str, Any], *fields: str) -> tuple[Any, ...]:
    return tuple(event[field] for field in fields)
