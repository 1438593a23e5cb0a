"""A request on its way to a function, while the gateway may still read its fields and add to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from msgspec import Struct
from msgspec.structs import replace
from starlette.types import Message, Receive, Scope

from emulator.gateway import request
from emulator.model.invocation import Header

FORM_TYPE = b"application/x-www-form-urlencoded"
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
Pairs = Sequence[tuple[str, str]]


class Arrival(Struct, frozen=True):
    """`path` is the decoded path that the client asked for, `target` the raw path and query for the function."""

    scope: Scope
    receive: Receive
    path: str
    target: str

    @property
    def headers(self) -> list[Header]:
        headers: list[Header] = self.scope["headers"]
        return headers

    def header(self, name: str) -> str | None:
        wanted = name.lower().encode("utf-8")
        return next((value.decode("latin-1").strip() for key, value in self.headers if key == wanted), None)

    def cookie(self, name: str) -> str | None:
        return dict(_cookies(self.headers)).get(name)

    def query(self, name: str) -> str | None:
        query: bytes = self.scope.get("query_string", b"")
        return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)).get(name)

    async def form(self) -> tuple[Arrival, Pairs]:
        """The fields of a form, and the arrival to go on with: a body can be read only once."""
        if not self.has_form:
            return self, ()
        payload = await request.read(self.receive, request.declared_length(request.pick(self.scope)))
        body = await request.gather(payload)
        return self.with_body(body), parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)

    @property
    def has_form(self) -> bool:
        kind = (self.header("content-type") or "").partition(";")[0].strip().lower()
        return self.scope["method"] == "POST" and kind == FORM_TYPE.decode()

    # --- the same with a field of ours: the client's own of that name do not get through, and None leaves none ---

    def with_headers(self, headers: list[Header]) -> Arrival:
        return replace(self, scope={**self.scope, "headers": headers})

    def with_header(self, name: str, value: bytes | None) -> Arrival:
        key = name.lower().encode("utf-8")
        kept = [pair for pair in self.headers if pair[0] != key]
        return self.with_headers(kept if value is None else [*kept, (key, value)])

    def with_cookie(self, name: str, value: str | None) -> Arrival:
        parts = [f"{key}={text}" for key, text in _cookies(self.headers) if key != name]
        if value is not None:
            parts.append(f"{name}={quote(value)}")
        return self.with_header("cookie", "; ".join(parts).encode("latin-1", "replace") if parts else None)

    def with_query(self, name: str, value: str | None) -> Arrival:
        path, _, query = self.target.partition("?")
        text = _with(parse_qsl(query, keep_blank_values=True), name, value)
        return replace(self, target=f"{path}?{text}" if text else path)

    async def with_form(self, name: str, value: str | None) -> Arrival:
        arrival, pairs = await self.form()
        return arrival.with_body(_with(pairs, name, value).encode()) if self.has_form else self

    def with_body(self, body: bytes) -> Arrival:
        headers = [pair for pair in self.headers if pair[0] not in _FRAMING]
        arrival = self.with_headers([*headers, (b"content-length", b"%d" % len(body))])
        return replace(arrival, receive=_Replay(body, self.receive))


class _Replay:
    """Gives a body that was read already, then whatever follows it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._first: dict[str, Any] | None = {"type": "http.request", "body": body, "more_body": False}
        self._receive = receive

    async def __call__(self) -> Message:
        first, self._first = self._first, None
        return first if first is not None else await self._receive()


def _cookies(headers: Sequence[Header]) -> list[tuple[str, str]]:
    pairs = []
    for key, value in headers:
        if key == b"cookie":
            for part in value.decode("latin-1").split(";"):
                name, _, text = part.strip().partition("=")
                pairs.append((name, text))
    return pairs


def _with(pairs: Pairs, name: str, value: str | None) -> str:
    kept = [(key, text) for key, text in pairs if key != name]
    return urlencode(kept if value is None else [*kept, (name, value)])
