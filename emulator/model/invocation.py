"""One call of a function, and what came of it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Protocol

from msgspec import Struct

from emulator.model.function import LATEST, Revision
from emulator.model.trace import Trace

Header = tuple[bytes, bytes]
Headers = Sequence[Header]
Stream = AsyncIterator[bytes]
Body = bytes | Stream


class Kind(Enum):
    """EVENT is `POST /invoke` with the event as body; HTTP is the caller's own request, passed through."""

    EVENT = "event"
    HTTP = "http"


class FunctionError(Enum):
    """`X-Fc-Error-Type` (runtime-contract.md §4.2)."""

    HANDLED = "HandledInvocationError"
    UNHANDLED = "UnhandledInvocationError"
    INITIALIZATION = "InitializationError"


class Cause(Enum):
    """What the function's failure was: `errorType` of FC's request metrics, and why the instance ends."""

    RAISED = "FunctionUnhandledError"
    TIMEOUT = "FunctionTimeoutError"
    OOM = "FunctionOOMError"
    EXITED = "FunctionProcessExited"
    INITIALIZER = "InitializationError"


class Invocation(Struct, frozen=True):
    """One call.

    `body` is bytes up to 64 KiB and a stream above; `length` is its size where that is known.
    The HTTP fields matter for `Kind.HTTP` only: `target` is the raw path and query as the function shall see it,
    `headers` the caller's, without those that FC does not pass on (runtime-contract.md §3.8).
    `upgrade` asks for a tunnel after the head (WebSocket).
    """

    revision: Revision
    request_id: str
    kind: Kind = Kind.EVENT
    body: Body = b""
    length: int | None = None
    qualifier: str = LATEST
    method: bytes = b"POST"
    target: bytes = b"/invoke"
    headers: Headers = ()
    base_path: str = ""
    client_ip: str = ""
    upgrade: bool = False
    want_tail: bool = False
    session_id: str = ""
    is_async: bool = False
    retry_count: int = 0
    trigger: str = ""
    trace: Trace | None = None


class Report(Struct, frozen=True):
    """The figures of one finished invocation, as in FC's summary line. Durations are ms, memory is MB. The time that
    it stood in the debugger is not part of its duration."""

    duration_ms: float
    memory_mb: float
    cold: bool
    init_ms: float = 0.0
    queue_ms: float = 0.0
    paused_ms: float = 0.0
    gpu_memory_mb: float | None = 0.0

    def summary(self, memory_size_mb: int) -> str:
        return summary(self.duration_ms, self.memory_mb, memory_size_mb)


def summary(duration_ms: float, memory_mb: float, memory_size_mb: int) -> str:
    """FC's own summary line (runtime-contract.md §6.3)."""
    return (
        f"Duration: {duration_ms:.2f} ms, Billed Duration: {max(1, math.ceil(duration_ms))} ms, "
        f"Memory Size: {memory_size_mb} MB, Max Memory Used: {memory_mb:.2f} MB"
    )


class Outcome(Struct):
    """What came of an invocation. The function's own failure is an Outcome with `error` set.

    `body` is bytes when the whole answer was there at once, else a stream that must be read to its end.
    `report` and `tail` are set when the body ended: at once for bytes.
    """

    instance_id: str
    status: int = 200
    headers: Headers = ()
    body: Body = b""
    length: int | None = None
    error: FunctionError | None = None
    cause: Cause | None = None
    report: Report | None = None
    tail: bytes | None = None
    session_headers: Sequence[Header] = ()
    tunnel: Tunnel | None = None


class Tunnel(Protocol):
    """The instance's side of an upgraded connection."""

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        """Its transport, paused, and the bytes that came behind the 101 head. Whoever calls this joins it."""
        ...


class Invoker(Protocol):
    """The one door to a function. Leaving the context gives the lease of the instance back (pattern P3)."""

    def invoke(self, invocation: Invocation) -> AbstractAsyncContextManager[Outcome]: ...
