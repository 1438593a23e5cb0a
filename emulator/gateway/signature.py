"""Signatures of requests: `ACS3-HMAC-SHA256`, and the older `FC` and `acs` ones (runtime-contract.md §9.1-9.2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from urllib.parse import parse_qsl, quote, unquote

from msgspec import Struct

from emulator.model.errors import (
    AccessDenied,
    InvalidAccessKeyID,
    InvalidArgument,
    MissingRequiredHeader,
    SignatureNotMatch,
)
from emulator.model.invocation import Headers

MAX_SKEW_SECONDS = 15 * 60.0
_ACS3 = re.compile(r"ACS3-HMAC-SHA256 Credential=([^,\s]+),\s*SignedHeaders=([^,\s]*),\s*Signature=([0-9a-f]{64})\Z")
_KEYED = re.compile(r"(FC|acs) ([^:\s]+):([A-Za-z0-9+/=]+)\Z")

_Values = Mapping[str, list[str]]
_Texts = Iterator[str]
_Sign = Callable[[bytes, bytes], str]


class Signed(Struct, frozen=True):
    """A request as it came: `raw_path` without query, both still encoded; header names in lower case."""

    method: str
    raw_path: str
    query: str
    headers: Headers


def verify(request: Signed, keys: Mapping[str, str], now: float, *, strict: bool) -> bool:
    """Check a request's signature against `keys`, id → secret.

    False where it was signed by another key, which is an error if `strict`. Raises what FC answers: no date, one that
    is off, no signature, a wrong one.

    The body is not read: its hash is taken as the request's own header has it, see `signed_digest`.
    """
    values: dict[str, list[str]] = {}
    for name, value in request.headers:
        values.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1").strip())
    _check_date(values, now)
    key_id, signature, texts, sign = _claimed(request, values)
    secret = keys.get(key_id)
    if secret is None:
        if strict:
            raise InvalidAccessKeyID(key_id)
        return False
    for text in texts:
        if hmac.compare_digest(sign(secret.encode(), text.encode("utf-8", "surrogateescape")), signature):
            return True
    raise SignatureNotMatch


def signed_digest(headers: Headers) -> str:
    """The SHA-256 of the body, in hex, as the signature of an API call holds it; empty where that holds none."""
    values = dict(headers)
    if not values.get(b"authorization", b"").startswith(b"ACS3-"):
        return ""
    return values.get(b"x-acs-content-sha256", b"").decode("latin-1").strip()


def _claimed(request: Signed, values: _Values) -> tuple[str, str, _Texts, _Sign]:
    """Key id, signature, the texts that may have been signed, and how."""
    given = _first(values, "authorization")
    if found := _ACS3.match(given):
        return found[1], found[3], _acs3_texts(request, values, found[2]), _sign_acs3
    if not (found := _KEYED.match(given)):
        # Only the scheme is shown: what follows may be a secret of another scheme.
        raise InvalidArgument(f"invalid authorization '{given.partition(' ')[0][:32]}'")
    if found[1] == "FC":
        return found[2], found[3], _fc_texts(request, values), _sign_fc
    return found[2], found[3], _roa_texts(request, values), _sign_roa


def _first(values: _Values, name: str) -> str:
    return values.get(name, [""])[0]


def _check_date(values: _Values, now: float) -> None:
    text = _first(values, "x-acs-date") or _first(values, "date") or _first(values, "x-fc-date")
    if not text:
        raise MissingRequiredHeader("Date")
    at = _moment(text)
    if at is None:
        raise InvalidArgument(f"invalid date '{text[:64]}'")
    if abs(now - at) > MAX_SKEW_SECONDS:
        current = formatdate(now, usegmt=True)
        raise AccessDenied(
            f"the difference between the request time '{text[:64]}' and the current time '{current}' is too large"
        )


def _moment(text: str) -> float | None:
    """Unix time of `2026-01-01T00:00:00Z`, or of `Thu, 01 Jan 2026 00:00:00 GMT`."""
    try:
        moment = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _sign_acs3(secret: bytes, text: bytes) -> str:
    hashed = b"ACS3-HMAC-SHA256\n" + hashlib.sha256(text).hexdigest().encode()
    return hmac.new(secret, hashed, hashlib.sha256).hexdigest()


def _sign_fc(secret: bytes, text: bytes) -> str:
    return base64.b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode()


def _sign_roa(secret: bytes, text: bytes) -> str:
    return base64.b64encode(hmac.new(secret, text, hashlib.sha1).digest()).decode()


def _acs3_texts(request: Signed, values: _Values, signed_headers: str) -> _Texts:
    """The canonical requests that official signers make of this one.

    API calls sign the body's hash; FC's samples for HTTP triggers sign an empty text in its place, write `$` of the
    path as `%24`, and take one value of each query parameter, which the languages choose differently.
    """
    names = [name for name in signed_headers.split(";") if name]
    head = "".join(f"{name}:{','.join(sorted(values.get(name, [''])))}\n" for name in names)
    pairs = parse_qsl(request.query, keep_blank_values=True)
    queries = (dict(reversed(pairs)), dict(pairs), {key: value for key, value in reversed(pairs) if value})
    texts = itertools.product(
        dict.fromkeys((request.raw_path, request.raw_path.replace("$", "%24"))),
        dict.fromkeys(_canonical_query(query) for query in queries),
        dict.fromkeys((_first(values, "x-acs-content-sha256"), "")),
    )
    for path, query, payload in texts:
        yield f"{request.method}\n{path}\n{query}\n{head}\n{signed_headers}\n{payload}"


def _canonical_query(query: Mapping[str, str]) -> str:
    return "&".join(f"{key}={quote(query[key], safe='~')}" for key in sorted(query))


def _fc_texts(request: Signed, values: _Values) -> _Texts:
    """API calls sign the path alone; calls of an HTTP function also its query, sorted (platform.md §1.3)."""
    own = sorted((name, held[0]) for name, held in values.items() if name.startswith("x-fc-"))
    lines = [request.method, *(_first(values, name) for name in ("content-md5", "content-type", "date"))]
    head = "\n".join([*lines, "".join(f"{name}:{value}\n" for name, value in own)])
    path = unquote(request.raw_path)
    pairs = parse_qsl(request.query, keep_blank_values=True)
    yield head + path
    yield head + path + "\n" + "\n".join(sorted(f"{key}={value}" for key, value in pairs))


def _roa_texts(request: Signed, values: _Values) -> _Texts:
    own = sorted((name, held[0]) for name, held in values.items() if name.startswith("x-acs-"))
    lines = [request.method, *(_first(values, name) for name in ("accept", "content-md5", "content-type", "date"))]
    head = "\n".join([*lines, "".join(f"{name}:{value}\n" for name, value in own)])
    pairs = sorted(parse_qsl(request.query, keep_blank_values=True))
    query = "&".join(f"{key}={value}" if value else key for key, value in pairs)
    yield head + request.raw_path + (f"?{query}" if query else "")
