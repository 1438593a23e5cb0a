"""Requests whose head is, byte for byte, that of one before on their connection, as most clients send them.

A parser calls back ten times and more for a head, which is a tenth of what a warm invocation costs the gateway.
"""

from __future__ import annotations

from msgspec import Struct
from uvicorn._types import HTTPScope

from emulator.gateway.cycle import Cycle

# Longer ones are not kept for a connection.
LONGEST = 4096
# A client whose heads differ, such as by a date or a signature, is not looked at for ever.
MOST_MISSES = 16
# What changes how a request is read, or what comes behind it.
UNSUITED = frozenset({b"expect", b"transfer-encoding", b"upgrade"})


class KnownHead(Struct, frozen=True):
    """`size` is that of the whole request, with its body; `keep_alive` what the parser made of the head."""

    head: bytes
    size: int
    scope: HTTPScope
    keep_alive: bool

    def fits(self, data: bytes) -> bool:
        """Whether this is such a request, and all of it."""
        return len(data) == self.size and data.startswith(self.head)

    def again(self) -> HTTPScope:
        """What the parser would make of it."""
        return {**self.scope, "headers": [*self.scope["headers"]]}


def known_head(data: bytes, cycle: Cycle) -> KnownHead | None:
    """Of a request that came in one piece and by itself, and was read to its end; None where it will not do."""
    scope: HTTPScope = cycle.scope
    head = data[: len(data) - len(cycle.body)]
    if len(head) > LONGEST or not head.endswith(b"\r\n\r\n") or scope["http_version"] != "1.1":
        return None
    if any(name in UNSUITED for name, _ in scope["headers"]):
        return None
    return KnownHead(head, len(data), {**scope, "headers": [*scope["headers"]]}, cycle.keep_alive)


class HeadMemory:
    """Of one connection: the head that was parsed last, where it may come again."""

    def __init__(self) -> None:
        self.last: KnownHead | None = None
        self._misses = 0

    def learn(self, data: bytes, cycle: Cycle) -> None:
        """`data` was this request, whose head was not the last one."""
        if self._misses < MOST_MISSES:
            self._misses += 1
            self.last = known_head(data, cycle)
