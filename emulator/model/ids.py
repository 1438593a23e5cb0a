"""Ids as FC writes them (runtime-contract.md §5.2)."""

from __future__ import annotations

import secrets
import time
import uuid


def instance_id() -> str:
    """`c-<8 hex time>-<8 hex>-<12 hex>`."""
    return f"c-{int(time.time()):08x}-{secrets.token_hex(4)}-{secrets.token_hex(6)}"


def hook_request_id() -> str:
    """Hooks, and FC 2, have a plain UUIDv4."""
    return str(uuid.uuid4())


class RequestIds:
    """FC 3's `1-<8 hex time>-<8 hex>-<12 hex>`: random start, then counted, since ids are made per request."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(4)
        self._next = secrets.randbits(40)
        self._second = 0
        self._prefix = ""

    def new(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second, self._prefix = second, f"1-{second:08x}-{self._run}-"
        self._next = number = (self._next + 1) & 0xFFFFFFFFFFFF
        return f"{self._prefix}{number:012x}"
