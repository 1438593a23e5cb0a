"""Requests whose head is, byte for byte, that of one before on their connection, as most clients send them."""

from __future__ import annotations

from msgspec import Struct
from uvicorn._types import HTTPScope

from emulator.gateway.cycle import Cycle
from emulator.instance.same_head import MOST_MISSES, head_of

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
    head = head_of(data, len(cycle.body))
    if head is None or scope["http_version"] != "1.1" or any(name in UNSUITED for name, _ in scope["headers"]):
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
