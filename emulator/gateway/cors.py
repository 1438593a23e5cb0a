"""CORS of HTTP triggers: FC's own echo of the origin, and the rules of a trigger's `corsConfig` (contract §3.9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from emulator.model import headers as h
from emulator.model.function import Trigger
from emulator.model.invocation import Header, Headers

ALLOW_ORIGIN = b"access-control-allow-origin"
ALLOW_CREDENTIALS = b"access-control-allow-credentials"
ALLOW_METHODS = b"access-control-allow-methods"
ALLOW_HEADERS = b"access-control-allow-headers"
EXPOSE_HEADERS = b"access-control-expose-headers"
MAX_AGE = b"access-control-max-age"
REQUEST_METHOD = b"access-control-request-method"
REQUEST_HEADERS = b"access-control-request-headers"

# What FC sets itself; a function's own values of these do not get through.
_ALWAYS_OURS = frozenset({ALLOW_CREDENTIALS, EXPOSE_HEADERS})
_OF_A_PREFLIGHT = frozenset({ALLOW_METHODS})
_CORS = frozenset({ALLOW_ORIGIN, ALLOW_CREDENTIALS, ALLOW_METHODS, ALLOW_HEADERS, EXPOSE_HEADERS, MAX_AGE})
_EXPOSED: Header = (EXPOSE_HEADERS, h.EXPOSE_HTTP.encode())
_CREDENTIALS: Header = (ALLOW_CREDENTIALS, b"true")


class CorsRules(Struct, frozen=True):
    """`corsConfig`: an allow-list that the gateway itself enforces."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    expose: tuple[str, ...]
    credentials: bool
    max_age: int

    def allows_origin(self, origin: str) -> bool:
        """`*`, one of the wildcard forms such as `https://*`, or the origin itself."""
        return any(
            pattern in ("*", origin)
            or (pattern.endswith("*") and origin.startswith(pattern[:-1]) and len(origin) >= len(pattern))
            for pattern in self.origins
        )

    def allows_headers(self, asked: Sequence[str]) -> bool:
        known = {name.lower() for name in self.headers}
        return "*" in known or all(name in known for name in asked)


class Preflight(Struct, frozen=True):
    """A preflight that the gateway answers itself, without the function."""

    status: int
    headers: list[Header]


def rules(trigger: Trigger) -> CorsRules | None:
    """The trigger's `corsConfig`, or None where FC's default holds."""
    config = trigger.config.get("corsConfig")
    if not isinstance(config, Mapping) or not config:
        return None
    return CorsRules(
        origins=_texts(config, "allowOrigins"),
        methods=tuple(method.upper() for method in _texts(config, "allowMethods")),
        headers=_texts(config, "allowHeaders"),
        expose=_texts(config, "exposeHeaders"),
        credentials=str(config.get("allowCredentials", False)).lower() == "true",
        max_age=_seconds(config.get("maxAge", 3600)),
    )


def preflight(trigger: Trigger, cors: CorsRules | None, request: Headers) -> Preflight | None:
    """The gateway's answer to an OPTIONS request, or None where the function (or a 403) has to answer it."""
    found = dict(request)
    origin, method = found.get(b"origin"), found.get(REQUEST_METHOD)
    if origin is None or method is None:
        return None
    asked = found.get(REQUEST_HEADERS, b"")
    if cors is not None:
        return _configured_preflight(cors, origin, method, asked)
    if "OPTIONS" in trigger.methods:
        return None
    # The details of this answer are UNCONFIRMED: what was asked for is echoed, as far as the trigger has it.
    headers = [(ALLOW_ORIGIN, origin), _CREDENTIALS, (ALLOW_METHODS, ",".join(trigger.methods).encode()), _EXPOSED]
    if asked:
        headers.append((ALLOW_HEADERS, asked))
    return Preflight(200, headers)


def _configured_preflight(cors: CorsRules, origin: bytes, method: bytes, asked: bytes) -> Preflight | None:
    names = [name for part in asked.decode("latin-1").split(",") if (name := part.strip().lower())]
    fits = cors.allows_origin(origin.decode("latin-1")) and cors.allows_headers(names)
    if not fits or not ({"*", method.decode("latin-1").upper()} & set(cors.methods)):
        return None
    headers = [*_configured(cors, origin), (ALLOW_METHODS, ",".join(cors.methods).encode())]
    if asked:
        headers.append((ALLOW_HEADERS, asked))
    headers.append((MAX_AGE, b"%d" % cors.max_age))
    return Preflight(204, headers)


def apply(cors: CorsRules | None, origin: bytes | None, is_preflight: bool, answer: Headers) -> list[Header]:
    """A function's answer with the CORS headers that FC adds; `is_preflight` where the function answered one."""
    if cors is not None:
        kept = [header for header in answer if header[0] not in _CORS]
        allowed = origin is not None and cors.allows_origin(origin.decode("latin-1"))
        return kept + _configured(cors, origin) if allowed and origin is not None else kept
    dropped = _ALWAYS_OURS if is_preflight else _ALWAYS_OURS | _OF_A_PREFLIGHT
    headers = [header for header in answer if header[0] not in dropped]
    if origin is not None:
        if not any(name == ALLOW_ORIGIN for name, _ in headers):
            headers.append((ALLOW_ORIGIN, origin))
        headers.append(_CREDENTIALS)
    # FC's samples show this one also for requests without Origin.
    headers.append(_EXPOSED)
    return headers


def _configured(cors: CorsRules, origin: bytes) -> list[Header]:
    # With credentials a browser takes no `*`, and a cache must tell origins apart.
    any_origin = cors.origins == ("*",) and not cors.credentials
    headers: list[Header] = [(ALLOW_ORIGIN, b"*" if any_origin else origin)]
    if not any_origin:
        headers.append((b"vary", b"Origin"))
    if cors.credentials:
        headers.append(_CREDENTIALS)
    if cors.expose:
        headers.append((EXPOSE_HEADERS, ",".join(cors.expose).encode()))
    return headers


def _texts(config: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = config.get(key) or ()
    return (str(value),) if isinstance(value, str) else tuple(str(item) for item in value)


def _seconds(value: object) -> int:
    text = str(value)
    return int(text) if text.isdigit() else 3600
