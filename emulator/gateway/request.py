"""Reading a request: the headers that decide, and the body as bytes or as a bounded stream."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Mapping

from msgspec import Struct
from starlette.types import Receive, Scope

from emulator.model.errors import ClientClosedRequest, EntityTooLarge, FCError, InvalidArgument, SignatureNotMatch
from emulator.model.invocation import Body, Stream
from emulator.model.limits import STREAM_ABOVE_BYTES, SYNC_PAYLOAD_BYTES
from emulator.model.trace import BAGGAGE, TRACEPARENT, W3C, Trace, continued, passed_on

_WANTED = W3C | {b"content-length", b"content-type", b"transfer-encoding", b"origin", b"host"}


def pick(scope: Scope) -> dict[bytes, bytes]:
    """`x-fc-*` and the few other headers that a face looks at; the last one wins."""
    return {name: value for name, value in scope["headers"] if name[:5] == b"x-fc-" or name in _WANTED}


def trace(picked: Mapping[bytes, bytes], exported: bool) -> Trace | None:
    """What the function is told of the trace that the request is part of; most are part of none. `exported`: every
    invocation is a span."""
    if exported:
        return continued({name: picked[name] for name in W3C if name in picked})
    return passed_on(picked) if TRACEPARENT in picked or BAGGAGE in picked else None


def declared_length(picked: dict[bytes, bytes]) -> int | None:
    """Content-Length, or None where there is none. The HTTP parser has checked that it is a number."""
    value = picked.get(b"content-length")
    if value is None or b"transfer-encoding" in picked:
        return None
    if not value.isdigit():
        raise InvalidArgument("invalid Content-Length")
    return int(value)


class Payload(Struct, frozen=True):
    """A body: bytes up to 64 KiB, a stream above. `length` is known for bytes and where it was declared."""

    body: Body
    length: int | None


async def read(
    receive: Receive,
    length: int | None,
    limit: int = SYNC_PAYLOAD_BYTES,
    too_large: Callable[[int], FCError] = EntityTooLarge,
) -> Payload:
    """Read a body, or only its beginning if it is large. Raises `too_large`, `ClientClosedRequest`.

    A stream that turns out to be larger than `limit` raises `too_large` at whoever reads it.
    """
    if length is not None and length > limit:
        raise too_large(limit)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientClosedRequest
        piece = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        if not more and not pieces:
            return Payload(piece, size)
        pieces.append(piece)
        if not more:
            return Payload(b"".join(pieces), size)
        if size > STREAM_ABOVE_BYTES:
            return Payload(_rest(receive, b"".join(pieces), limit, too_large), length)


async def _rest(
    receive: Receive, begun: bytes, limit: int, too_large: Callable[[int], FCError]
) -> AsyncIterator[bytes]:
    size = len(begun)
    yield begun
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientClosedRequest
        piece = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        yield piece


def checked(payload: Payload, digest: str) -> Payload:
    """The same payload, if its SHA-256 is `digest`. Raises `SignatureNotMatch`: a stream does at its end."""
    if not digest:
        return payload
    if isinstance(payload.body, bytes):
        _compare(hashlib.sha256(payload.body), digest)
        return payload
    return Payload(_checked_stream(payload.body, digest), payload.length)


async def _checked_stream(body: Stream, digest: str) -> AsyncIterator[bytes]:
    # One piece behind, so that a function never gets the whole of a body that was changed on its way.
    found, held = hashlib.sha256(), b""
    async for piece in body:
        found.update(piece)
        if held:
            yield held
        held = piece
    _compare(found, digest)
    yield held


def _compare(found: hashlib._Hash, digest: str) -> None:
    if not hmac.compare_digest(found.hexdigest(), digest):
        raise SignatureNotMatch


async def gather(payload: Payload) -> bytes:
    """The whole body, for where FC itself buffers: events of HTTP triggers, asynchronous payloads."""
    if isinstance(payload.body, bytes):
        return payload.body
    return b"".join([piece async for piece in payload.body])


def client_ip(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""
