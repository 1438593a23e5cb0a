"""Who may come in at the port of the inspector: programs of this machine and DevTools, no web page (pure).

Whoever speaks the protocol runs code, and a page can open a WebSocket to any address: it has to say its Origin, and a
page that rebinds its own name to 127.0.0.1 its Host (debugging.md, pitfall 6; so does Node.js, `IsAllowedHost`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

DEVTOOLS = "devtools://"


def refusal(headers: Mapping[str, str]) -> str | None:
    """Why a request with these headers, whose names are in lower case, is cut off; None where it may come in."""
    if not is_loopback(headers.get("host", "")):
        return "Host is not a loopback address"
    origin = headers.get("origin")
    if origin is not None and not origin.startswith(DEVTOOLS):
        return "web pages may not use the debugger"
    # Browsers say this with requests that have no Origin, such as an image's.
    if origin is None and headers.get("sec-fetch-site", "none") != "none":
        return "web pages may not use the debugger"
    return None


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine itself: localhost, or an address that never leaves it."""
    name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
    name = name.removeprefix("[").removesuffix("]")
    if name.lower() in ("localhost", "localhost."):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
