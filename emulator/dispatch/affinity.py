"""Session affinity: which session a request belongs to, and when a session ends (runtime-contract.md §1.6)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from urllib.parse import parse_qs, unquote_to_bytes

from msgspec import Struct

from emulator.model.errors import InvalidArgument, SessionInvalid
from emulator.model.function import Affinity, SessionPolicy
from emulator.model.invocation import Header, Headers, Invocation
from emulator.scheduler.clocks import FunctionClock

COOKIE = "x-fc-cookie-session-id"
MCP_HEADER = b"mcp-session-id"
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\Z")
_SSE_ID = re.compile(rb"[?&]session_?id=([A-Za-z0-9_-]+)", re.IGNORECASE)


class Session(Struct):
    """A known session: since when, and when last used, by the function's clock."""

    created: float
    used: float


class Found(Struct, frozen=True):
    """The session of a request; `answer` are headers that tell the client of a new one. `opens`: the function itself
    will make a session of it (MCP), whose id comes with the answer."""

    session_id: str
    answer: tuple[Header, ...] = ()
    opens: bool = False


class Sessions:
    """The sessions of one function."""

    def __init__(self, policy: SessionPolicy, clock: FunctionClock) -> None:
        self._policy = policy
        self._clock = clock
        self._known: dict[str, Session] = {}

    def find(self, call: Invocation) -> Found:
        """Which session this request is for; empty where it is for none, or for one that is yet to be made.

        Raises `InvalidArgument` for a malformed id, `SessionInvalid` where ids may not be used again.
        """
        policy = self._policy
        if policy.affinity is Affinity.GENERATED_COOKIE:
            return self._cookie(call.headers)
        if policy.affinity is Affinity.HEADER_FIELD:
            return self._header(call.headers)
        path, _, query = call.target.partition(b"?")
        if policy.affinity is Affinity.MCP_STREAMABLE:
            given = _value(call.headers, MCP_HEADER)
            opens = call.method == b"POST"
        else:
            given = next(iter(_query_id(query.decode("latin-1"))), "")
            # A session begins with a stream; a query there is not allowed.
            opens = call.method == b"GET" and not query and unquote_to_bytes(path) == policy.sse_path.encode()
        return Found(self._renew(given)) if given else Found("", opens=opens)

    @property
    def lasts_a_call(self) -> bool:
        """Whether a session is over with the call that opened it: MCP's, that is its stream."""
        return self._policy.affinity is Affinity.MCP_SSE

    def deletes(self, call: Invocation) -> bool:
        """Whether the call ends its session, where the function agrees."""
        return self._policy.affinity is Affinity.MCP_STREAMABLE and call.method == b"DELETE"

    def _cookie(self, headers: Headers) -> Found:
        given = _cookie_value(headers)
        if given and given in self._known and self._alive(given):
            self._known[given].used = self._clock.monotonic()
            return Found(given)
        if given and self._policy.disable_id_reuse:
            raise SessionInvalid(given)
        new = str(uuid.uuid4())
        self._open(new)
        cookie = f"{COOKIE}={new}; Max-Age={self._policy.ttl:.0f}"
        return Found(new, ((b"set-cookie", cookie.encode()),))

    def _header(self, headers: Headers) -> Found:
        name = self._policy.header.lower().encode("latin-1")
        given = _value(headers, name)
        if not given:
            new = uuid.uuid4().hex
            self._open(new)
            return Found(new, ((name, new.encode()),))
        if not _ID.match(given):
            raise InvalidArgument(f"invalid session id in header '{self._policy.header}'")
        return Found(self._renew(given))

    def _renew(self, session_id: str) -> str:
        """Use a session; one that ended is silently a new one, unless ids may not be used again."""
        if session_id in self._known and not self._alive(session_id):
            if self._policy.disable_id_reuse:
                raise SessionInvalid(session_id)
            del self._known[session_id]
        if session_id in self._known:
            self._known[session_id].used = self._clock.monotonic()
        else:
            self._open(session_id)
        return session_id

    def _open(self, session_id: str) -> None:
        now = self._clock.monotonic()
        self._known[session_id] = Session(now, now)

    def _alive(self, session_id: str) -> bool:
        session, now = self._known[session_id], self._clock.monotonic()
        idle = self._policy.idle_timeout
        return now - session.created < self._policy.ttl and (not idle or now - session.used < idle)

    def made_by_function(self, answer: Headers) -> str:
        """The session id that an MCP server gave in its answer's headers; empty if none."""
        given = _value(answer, MCP_HEADER) if self._policy.affinity is Affinity.MCP_STREAMABLE else ""
        if given:
            self._open(given)
        return given

    def made_in_stream(self, piece: bytes) -> str:
        """The session id in the first SSE `endpoint` event of an MCP server; empty if none is there."""
        found = _SSE_ID.search(piece) if self._policy.affinity is Affinity.MCP_SSE and b"endpoint" in piece else None
        if found is None:
            return ""
        session_id = found[1].decode()
        self._open(session_id)
        return session_id

    def close(self, session_id: str) -> None:
        self._known.pop(session_id, None)

    @property
    def alive(self) -> int:
        """How many sessions have not ended."""
        return sum(map(self._alive, self._known))

    def expired(self) -> list[str]:
        """Sessions that ended by age or idleness; they are forgotten, unless their ids may not be used again."""
        gone = [it for it in self._known if not self._alive(it)]
        if not self._policy.disable_id_reuse:
            for session_id in gone:
                del self._known[session_id]
        return gone


def _value(headers: Headers, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in headers if key == name), "")


def _cookie_value(headers: Headers) -> str:
    for key, value in headers:
        if key == b"cookie":
            for part in value.decode("latin-1").split(";"):
                name, _, text = part.strip().partition("=")
                if name == COOKIE:
                    return text
    return ""


def _query_id(query: str) -> Iterable[str]:
    fields = parse_qs(query)
    for name in ("sessionId", "session_id", "sessionid"):
        yield from fields.get(name, ())
