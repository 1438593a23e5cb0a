"""Source maps inside of scripts: bundlers that run in the walls write absolute paths of there into them (pure)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

import msgspec

PREFIX = "data:application/json"
BASE64 = ";base64,"


def rewritten(url: str, path: Callable[[str], str]) -> str:
    """`url` with `path` applied to the sources of the map that it holds; as it is where it is another kind of URL."""
    if not url.startswith(PREFIX) or BASE64 not in url:
        return url
    head, _, body = url.partition(BASE64)
    try:
        content = msgspec.json.decode(base64.b64decode(body, validate=True))
    except (binascii.Error, msgspec.DecodeError):
        return url
    changed = _rewritten(content, path)
    if changed == content:
        return url
    return f"{head}{BASE64}{base64.b64encode(msgspec.json.encode(changed)).decode()}"


def _rewritten(content: Any, path: Callable[[str], str]) -> Any:
    if not isinstance(content, dict):
        return content
    changed = dict(content)
    if isinstance(content.get("sources"), list):
        changed["sources"] = [path(it) if isinstance(it, str) else it for it in content["sources"]]
    if isinstance(content.get("sourceRoot"), str):
        changed["sourceRoot"] = path(content["sourceRoot"])
    return changed
