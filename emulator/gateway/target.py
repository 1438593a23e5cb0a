"""The target of a request: `/path?query`, or all of a URL."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote

import httptools


@lru_cache(maxsize=1024)
def taken_apart(url: bytes) -> tuple[str, bytes, bytes]:
    """Its decoded path, its raw path and its query."""
    parsed = httptools.parse_url(url)
    raw_path: bytes = parsed.path
    path = raw_path.decode("ascii")
    return unquote(path) if "%" in path else path, raw_path, parsed.query or b""
