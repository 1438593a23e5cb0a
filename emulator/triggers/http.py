"""HTTP triggers of built-in FC 3 runtimes: the request as a JSON event, the result as an HTTP answer.

Source: runtime-contract.md §2.8. Both ways lie on the hot path, so JSON is put together from ready pieces.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring as quoted
from typing import Any
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from emulator.model.headers import DROPPED_RESPONSE_HEADERS, OWN_PREFIX
from emulator.model.invocation import Header, Headers
from emulator.model.limits import HTTP_FUNCTION_ERROR_BODY

TEXT_TYPES = frozenset(
    {
        "application/json",
        "application/ld+json",
        "application/xhtml+xml",
        "application/xml",
        "application/atom+xml",
        "application/javascript",
    }
)
# Go's server, which makes FC's events, keeps these out of the header map.
_NOT_IN_EVENT = frozenset({b"host", b"transfer-encoding", b"connection", b"keep-alive"})
# `upgrade` and the framing of the body are the gateway's, since such an answer is buffered.
_DROPPED = DROPPED_RESPONSE_HEADERS | {b"transfer-encoding", b"upgrade"}
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
JSON_TYPE: Header = (b"content-type", b"application/json")


class HttpRequest(Struct, frozen=True):
    """What an event is made of. `headers` as received (lower-case names); `raw_path` and `query` still encoded;
    `at` is Unix time in seconds; `client_ip` the TCP peer's."""

    method: str
    raw_path: str
    query: str
    headers: Headers
    body: bytes
    host: str
    client_ip: str
    request_id: str
    account_id: str
    at: float
    protocol: str = "HTTP/1.1"


class HttpAnswer(Struct, frozen=True):
    """The answer to the client, without what the gateway adds. `failed` where the result is no HTTP answer at all:
    FC then answers as for a function error."""

    status: int
    headers: list[Header]
    body: bytes
    failed: bool = False


def passed_on(headers: Headers) -> list[Header]:
    """The client's headers that reach a function: without `connection`, `keep-alive`, and `x-fc-*` that are not
    control headers of an invocation (runtime-contract.md §3.8, §5.1), and without our own."""
    return [
        (name, value)
        for name, value in headers
        if name not in (b"connection", b"keep-alive")
        and (name[:5] != b"x-fc-" or name in CONTROL_HEADERS)
        and not name.startswith(OWN_PREFIX)
    ]


CONTROL_HEADERS = frozenset(
    {
        b"x-fc-invocation-type",
        b"x-fc-log-type",
        b"x-fc-async-task-id",
        b"x-fc-async-delay",
        b"x-fc-stateful-async-invocation-id",
        b"x-fc-stateful-async-invocation-enable",
        b"x-fc-trace-id",
        b"x-fc-invocation-code-version",
        b"x-fc-invocation-target",
        b"x-fc-account-id",
        b"x-fc-date",
    }
)


def to_event(request: HttpRequest) -> bytes:
    """The event that a built-in runtime's handler gets."""
    headers: dict[str, str] = {}
    content_type = b""
    agent = b""
    for name, value in request.headers:
        if name in _NOT_IN_EVENT or name.startswith(OWN_PREFIX):
            continue
        if name == b"content-type":
            content_type = value
        elif name == b"user-agent":
            agent = value
        key = canonical(name)
        text = value.decode("utf-8", "replace")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    is_text = is_text_type(content_type)
    body = request.body.decode("utf-8", "replace") if is_text else base64.b64encode(request.body).decode()
    host = request.host
    return (
        f'{{"version":"v1","rawPath":{quoted(request.raw_path)},"body":{quoted(body)},'
        f'"isBase64Encoded":{"false" if is_text else "true"},"headers":{_object(headers)},'
        f'"queryParameters":{_query(request.query) if request.query else "{}"},'
        f'"requestContext":{{"accountId":{quoted(request.account_id)},"domainName":{quoted(host)},'
        f'"domainPrefix":{quoted(host.partition(".")[0])},'
        f'"http":{{"method":{quoted(request.method)},"path":{quoted(_decoded(request.raw_path))},'
        f'"protocol":"{request.protocol}","sourceIp":{quoted(request.client_ip)},'
        f'"userAgent":{quoted(agent.decode("utf-8", "replace"))}}},'
        f'"requestId":{quoted(request.request_id)},"time":"{_second(int(request.at))}",'
        f'"timeEpoch":"{int(request.at * 1000)}"}}}}'
    ).encode("utf-8", "replace")


@lru_cache(maxsize=1024)
def canonical(name: bytes) -> str:
    """A header's name as Go writes it: `x-my-ID` → `X-My-Id`; one that is no token stays as it is."""
    text = name.decode("latin-1")
    return "-".join([part[:1].upper() + part[1:].lower() for part in text.split("-")]) if _TOKEN.match(name) else text


@lru_cache(maxsize=256)
def is_text_type(content_type: bytes) -> bool:
    """Whether such a body is passed as text; anything else, also no type at all, is base64. Parameters are ignored."""
    media = content_type.decode("latin-1").partition(";")[0].strip().lower()
    return media.startswith("text/") or media in TEXT_TYPES


@lru_cache(maxsize=8)
def _second(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _decoded(raw_path: str) -> str:
    return unquote(raw_path) if "%" in raw_path else raw_path


def _object(values: Mapping[str, str]) -> str:
    return "{" + ",".join([f"{quoted(key)}:{quoted(values[key])}" for key in sorted(values)]) + "}"


def _query(query: str) -> str:
    values: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        values[key] = f"{values[key]},{value}" if key in values else value
    return _object(values)


def from_result(output: bytes) -> HttpAnswer:
    """The HTTP answer that a handler's output stands for."""
    if output.lstrip()[:1] == b"{":
        try:
            text = output.decode()
            result = json.loads(text)
        except (ValueError, RecursionError):
            return HttpAnswer(200, [JSON_TYPE], output)
        if isinstance(result, dict) and "statusCode" in result:
            return _described(result, text)
    return HttpAnswer(200, [JSON_TYPE], output)


def _described(result: Mapping[str, Any], text: str) -> HttpAnswer:
    status = _status(result["statusCode"])
    if status is None:
        return HttpAnswer(502, [JSON_TYPE], HTTP_FUNCTION_ERROR_BODY, failed=True)
    given = result.get("headers")
    headers = _headers(given) if isinstance(given, dict) else []
    if not any(name == b"content-type" for name, _ in headers):
        headers.append(JSON_TYPE)
    if status in (204, 304):
        # These have no body, and a body here would be read as the next answer.
        return HttpAnswer(status, headers, b"")
    body = result.get("body")
    if isinstance(body, str):
        content = body.encode("utf-8", "replace")
        return HttpAnswer(status, headers, _plain(content) if result.get("isBase64Encoded") is True else content)
    return HttpAnswer(status, headers, b"" if body is None else raw_value(text, "body").encode("utf-8", "replace"))


def _status(value: object) -> int | None:
    """200–599, also as a numeric string; None for what is no final status (100–199 would hang the client)."""
    is_text = isinstance(value, str) and re.fullmatch("[0-9]{3}", value) is not None
    if is_text or (isinstance(value, float) and value.is_integer()):
        value = int(value)  # type: ignore[call-overload]
    return value if isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 599 else None


def _headers(given: Mapping[str, Any]) -> list[Header]:
    headers: list[Header] = []
    for key, value in given.items():
        name = key.encode("utf-8", "replace").lower()
        if name in _DROPPED or name[:5] == b"x-fc-" or not _TOKEN.match(name):
            continue
        values: Sequence[Any] = value if isinstance(value, list) else (value,)
        headers.extend([(name, header_value(item)) for item in values if item is not None])
    return headers


def header_value(value: object) -> bytes:
    """A value as a header can hold it."""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    # As Go does, a line break becomes a space, so that a value can not begin another header.
    return _CONTROL.sub(" ", str(value)).strip().encode("utf-8", "replace")


def _plain(body: bytes) -> bytes:
    """The decoded body, or the text itself where it is no base64."""
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return body


def raw_value(text: str, key: str) -> str:
    """The JSON text of a top-level member as it was written. `text` is a valid JSON object that has the member."""
    decoder = json.JSONDecoder()
    space = re.compile(r"[ \t\n\r]*")
    found = ""
    at = _past(space, text, text.index("{") + 1)
    while text[at] != "}":
        name, at = decoder.raw_decode(text, at)
        at = _past(space, text, _past(space, text, at) + 1)
        _, end = decoder.raw_decode(text, at)
        if name == key:
            # The last one of two equal names wins, as it does for the parser.
            found = text[at:end]
        at = _past(space, text, end)
        if text[at] == ",":
            at = _past(space, text, at + 1)
    return found


def _past(space: re.Pattern[str], text: str, at: int) -> int:
    matched = space.match(text, at)
    return matched.end() if matched else at
