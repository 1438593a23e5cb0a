"""The trace that an invocation is part of, as headers tell it: W3C's, and the older one of Jaeger (platform.md §10)."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from urllib.parse import unquote

from msgspec import Struct

TRACEPARENT, TRACESTATE, BAGGAGE = b"traceparent", b"tracestate", b"baggage"
W3C = frozenset({TRACEPARENT, TRACESTATE, BAGGAGE})
# W3C Trace Context §3.2: ids of zeros are none; a version above 00 may have more behind its flags.
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?\Z")
SAMPLED = 1


class Trace(Struct, frozen=True):
    """What a function is handed. `headers` are W3C's. The others are set where its invocations are spans that we
    export: `span_id` is that of the invocation, `parent_id` the caller's, empty for none."""

    headers: tuple[tuple[bytes, bytes], ...]
    trace_id: str = ""
    span_id: str = ""
    parent_id: str = ""
    flags: int = SAMPLED

    @property
    def traceparent(self) -> str:
        """Empty where nothing is exported."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}" if self.span_id else ""

    @property
    def span_context(self) -> str:
        """In Jaeger's form: `trace:span:parent:flags`; empty as above."""
        return f"{self.trace_id}:{self.span_id}:{self.parent_id or 0}:{self.flags}" if self.span_id else ""

    @property
    def baggages(self) -> str:
        """Base64 of JSON, as FC has it; empty as above, and for none."""
        given = dict(self.headers).get(BAGGAGE, b"") if self.span_id else b""
        pairs = [item.partition(";")[0].partition("=") for item in given.decode("latin-1").split(",")]
        found = {unquote(name.strip()): unquote(value.strip()) for name, mark, value in pairs if mark}
        return base64.b64encode(json.dumps(found).encode()).decode() if found else ""

    def again(self) -> Trace:
        """The same for another attempt, which is a span of its own."""
        return _traced(dict(self.headers), self.trace_id, self.parent_id, self.flags) if self.span_id else self


def passed_on(given: Mapping[bytes, bytes]) -> Trace | None:
    """What a caller sent, untouched; None where it sent nothing."""
    headers = tuple((name, given[name]) for name in (TRACEPARENT, TRACESTATE, BAGGAGE) if name in given)
    return Trace(headers) if headers else None


def continued(given: Mapping[bytes, bytes]) -> Trace:
    """A span in the caller's trace, or in one of its own where there is none, or no sound one."""
    found = _TRACEPARENT.match(given.get(TRACEPARENT, b""))
    if found is None:
        own = {BAGGAGE: given[BAGGAGE]} if BAGGAGE in given else {}
        return _traced(own, os.urandom(16).hex(), "", SAMPLED)
    trace_id, parent_id, flags = (part.decode() for part in found.groups())
    return _traced(given, trace_id, parent_id, int(flags, 16) & SAMPLED)


def _traced(given: Mapping[bytes, bytes], trace_id: str, parent_id: str, flags: int) -> Trace:
    span_id = os.urandom(8).hex()
    own = {TRACEPARENT: f"00-{trace_id}-{span_id}-{flags:02x}".encode()}
    headers = {name: {**given, **own}[name] for name in (TRACEPARENT, TRACESTATE, BAGGAGE) if name in {*given, *own}}
    return Trace(tuple(headers.items()), trace_id, span_id, parent_id, flags)
