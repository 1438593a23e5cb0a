"""Keeps web pages from driving the emulator: Host allow-list, then Origin, then a token (sandbox.md §6.2).

A page that rebinds its own name to 127.0.0.1 sends no Origin on a same-origin GET, so Host is the first gate and holds
for everything. SDK clients send neither Origin nor Fetch metadata, and pass with the Host alone.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Callable, Collection, Iterable, MutableMapping
from enum import Enum
from typing import Any

from emulator.model import headers as h
from emulator.model.errors import FCError

TOKEN_HEADER = h.TOKEN.encode()
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Decisions are remembered for this many different values; a client that varies them only empties the memory.
REMEMBERED = 1024

# The FC 3 SDK sends `Host: http://127.0.0.1:PORT` where the scheme was put into its endpoint (platform.md §1.1).
_HOST = re.compile(r"(?:https?://)?(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::\d{1,5})?/?\Z")
_ORIGIN = re.compile(r"https?://[^/?#@\s]+\Z")


class Face(Enum):
    """What a path leads to, as far as browsers are concerned."""

    FUNCTION_URL = "function_url"
    """A function's own URL: open to every page, as in FC; CORS is the function's matter."""
    API = "api"
    """FC's API: reading is open to local pages, changing needs the token."""
    CODE = "code"
    """Gives away code, secrets or a shell: needs the token also for reading."""
    CONSOLE = "console"
    """Our own pages and what they fetch."""


Classify = Callable[[str, str], Face]
"""(decoded path, host name without port) → face."""


class Guard:
    """Judges requests before anything else looks at them; about a microsecond for a client that is no browser."""

    def __init__(self, classify: Classify, token: str, hosts: Collection[str] = ()) -> None:
        self._classify = classify
        self._token = token.encode()
        self._allowed: frozenset[str] = frozenset()
        self._names: dict[bytes, str | None] = {}
        self._origins: dict[bytes, bool] = {}
        self.allow(hosts)

    def allow(self, hosts: Collection[str]) -> None:
        """Set the names that are let in besides the loopback ones: custom domains, `*.` ones included."""
        self._allowed = frozenset(host.lower().rstrip(".") for host in hosts)
        self._names.clear()
        self._origins.clear()

    def check(self, scope: MutableMapping[str, Any]) -> FCError | None:
        """Why an HTTP scope is refused, or None. Never raises, whatever the headers hold."""
        host: bytes | None = None
        origin: bytes | None = None
        site: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"host":
                if host is not None:
                    return _malformed("more than one Host header")
                host = value
            elif name == b"origin":
                origin = value if origin is None else b"null"
            elif name == b"sec-fetch-site":
                site = value
        if host is None:
            # Browsers speak 1.1 or later; HTTP/1.0 knows no Host.
            if scope["http_version"] != "1.0" or origin is not None or site is not None:
                return _malformed("no Host header")
            return None
        known = self._name_of(host)
        if known is None:
            return _host_refused(host)
        if origin is None and site is None:
            return None
        return self._check_browser(scope, known, origin, site)

    def _check_browser(
        self, scope: MutableMapping[str, Any], name: str, origin: bytes | None, site: bytes | None
    ) -> FCError | None:
        face = self._classify(scope["path"], name)
        if face is Face.FUNCTION_URL:
            return None
        if origin is not None and not self._is_local(origin):
            return FCError(403, "OriginNotAllowed", "pages of this origin may not use the emulator")
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        reads = scope["method"] in SAFE_METHODS and not any(name == b"upgrade" for name, _ in headers)
        # Fetch metadata is absent over plain HTTP to other names than localhost: a hint that refuses, never a pass.
        if site == b"cross-site" and (face is Face.CODE or not reads):
            return FCError(403, "OriginNotAllowed", "other sites may not use the emulator")
        if (face is Face.CODE or not reads) and scope["method"] != "OPTIONS" and not shows_token(headers, self._token):
            return FCError(
                401,
                "TokenRequired",
                "requests of web pages need the token of .fclocal/endpoint.json in x-fclocal-token",
            )
        return None

    def _name_of(self, host: bytes) -> str | None:
        try:
            return self._names[host]
        except KeyError:
            if len(self._names) >= REMEMBERED:
                self._names.clear()
            name = host_name(host)
            found = self._names[host] = name if name is not None and self._is_allowed(name) else None
            return found

    def _is_local(self, origin: bytes) -> bool:
        try:
            return self._origins[origin]
        except KeyError:
            if len(self._origins) >= REMEMBERED:
                self._origins.clear()
            matched = _ORIGIN.match(origin.decode("latin-1"))
            name = host_name(origin) if matched else None
            found = self._origins[origin] = name is not None and self._is_allowed(name)
            return found

    def _is_allowed(self, name: str) -> bool:
        if name == "localhost" or name.endswith(".localhost") or name in self._allowed:
            return True
        if "*." + name.partition(".")[2] in self._allowed:
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False


def shows_token(headers: Iterable[tuple[bytes, bytes]], token: bytes) -> bool:
    """Whether a request shows the emulator's token, which only its owner can read."""
    for name, value in headers:
        if name == TOKEN_HEADER and hmac.compare_digest(value, token):
            return True
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return hmac.compare_digest(value[7:].strip(), token)
    return False


def host_name(value: bytes) -> str | None:
    """The name of a Host value: lower case, without scheme, port, brackets and final dot. None where malformed."""
    matched = _HOST.match(value.decode("latin-1"))
    if matched is None:
        return None
    return (matched[1] or matched[2]).lower().rstrip(".")


def _malformed(what: str) -> FCError:
    return FCError(400, "InvalidArgument", f"the request has {what}")


def _host_refused(host: bytes) -> FCError:
    shown = host[:64].decode("ascii", "replace")
    return FCError(
        421, "HostNotAllowed", f"host '{shown}' is not served here: use localhost, or declare it as a custom domain"
    )
