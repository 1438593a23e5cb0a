"""uvicorn's httptools protocol with what it lacks: deadlines, a cap on heads, and upgrades left to the application.

uvicorn alone keeps a half-sent request for ever, and httptools has no limit for headers (sandbox.md §6.3).
Deadlines cost no timer per request: each event leaves a time stamp, and one sweep of the server looks at all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import httptools
from uvicorn._types import ASGI3Application, HTTPScope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from emulator.gateway.cycle import ON_DISCONNECT, Cycle, GatewayLog, refusal
from emulator.gateway.deadlines import Deadlines, Phase
from emulator.gateway.http10 import UnchunkedSend
from emulator.gateway.known_head import HeadMemory, KnownHead
from emulator.gateway.target import taken_apart
from emulator.gateway.tunnel import DECLINED_UPGRADES, UPGRADE, ClientTunnel, head_without_upgrade

# The most that is ever read of a head; FC's own limit (8 KB, `InvalidArgument`) is checked by the routes.
MAX_HEAD_BYTES = 64 * 1024
# What a client may send before its upgrade is accepted.
MAX_EARLY_BYTES = 64 * 1024
# Pipelined requests that may wait before their client is not read any more.
MAX_PIPELINE = 16
# A refused client is read for this long, so that the refusal is not lost in a reset of unread bytes.
LINGER_SECONDS = 2.0


# What an application may have beside `__call__`: it takes a request whose body is there, and will give the cycle its
# answer; or it is false, and has done nothing.
Instant = Callable[[Cycle, bytes], bool]


class Refused(Exception):
    """Raised inside a parser's callback; `data_received` meets it as the context of the parser's own error."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class GatewayProtocol(HttpToolsProtocol):
    """One client's connection. `check` is called by the server's sweep, everything else by the transport."""

    cycle: Cycle

    def __init__(
        self,
        config: Config,
        state: ServerState,
        deadlines: Deadlines,
        tunnels: set[asyncio.Transport],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(config, state, {}, loop)
        self.logger = GatewayLog()  # type: ignore[assignment]
        self.access_log = False
        self.phase = Phase.IDLE
        self._deadlines = deadlines
        self._tunnels = tunnels
        self._instant: Instant | None = getattr(self.app, "instant", None)
        self._now = loop.time
        self._since = self._heard = self._moved = loop.time()
        self._unsent = 0
        # Bytes fed since the head began, or since the last piece of the body.
        self._fed = 0
        self._early = bytearray()
        self._declined = False
        # Begun when what came with its head is read: the whole of it, for most.
        self._fresh: Cycle | None = None
        self._heads = HeadMemory()
        # With pipelined requests, `cycle` is the last one read, and this the one being answered.
        self._running: Cycle | None = None

    # --- what the transport calls ---

    def data_received(self, data: bytes) -> None:
        self._heard = self._now()
        phase = self.phase
        if phase is Phase.IDLE:
            known = self._heads.last
            if known is not None and known.fits(data) and self.cycle.response_complete:
                self._go_on_with(known, data)
                return
            self._fed = len(data)
        elif phase is Phase.TUNNEL:
            self._hold(data)
            return
        elif phase is Phase.REFUSED:
            return
        else:
            self._fed += len(data)
        self._feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.pipeline.clear()
        running = self._running
        if running is not None and not running.response_complete:
            self._disconnect(running)

    def shutdown(self) -> None:
        super().shutdown()
        if self._running is not None:
            self._running.hold_up()

    def resume_writing(self) -> None:
        self._moved = self._now()
        super().resume_writing()

    def _go_on_with(self, known: KnownHead, data: bytes) -> None:
        """The whole of a request has come; as the parser tells it."""
        self._since = self._heard
        self.expect_100_continue = False
        self.scope = known.again()
        cycle = self.cycle = Cycle(self, keep_alive=known.keep_alive)
        if known.size > len(known.head):
            cycle.hear(data[len(known.head) :])
        cycle.hear_end()
        self._start_cycle(cycle, self.app)

    def _feed(self, data: bytes) -> None:
        whole = data if self.phase is Phase.IDLE else b""
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                    data = b""
                except httptools.HttpParserUpgrade as upgrade:
                    data = self._upgraded(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause.status if isinstance(cause, Refused) else 400)
        else:
            if self._fed > MAX_HEAD_BYTES:
                if self.phase is Phase.HEAD:
                    self.refuse(431)
                elif self.phase is Phase.BODY:
                    # So much without one byte of body is a trailer or a chunk extension without end.
                    self.refuse(400)
        fresh, self._fresh = self._fresh, None
        if fresh is not None:
            if whole and self.phase is Phase.IDLE and self.cycle is fresh:
                self._heads.learn(whole, fresh)
            self._start_cycle(fresh, self.app)

    # --- what the parser calls ---

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.phase = Phase.HEAD
        self._since = self._heard

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.phase is Phase.BODY:
            # A trailer: it must not join the headers that were already judged.
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._fed > MAX_HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > MAX_HEAD_BYTES:
                raise Refused(431)
        tunnel = self._offer_upgrade() if self.parser.should_upgrade() else None
        if self._declined:
            return
        self.scope = self._new_scope()
        if tunnel is not None:
            self.scope["extensions"] = {UPGRADE: tunnel}  # type: ignore[dict-item]
        version = self.scope["http_version"]
        before, self.cycle = self.cycle, self._new_cycle(version)
        if before is None or before.response_complete:
            self._fresh = self.cycle
        else:
            self.pipeline.appendleft((self.cycle, self.app))
            if len(self.pipeline) >= MAX_PIPELINE:
                # Not sooner: a client that is not read is not seen to go.
                self.flow.pause_reading()
        self.phase = Phase.BODY
        self._fed = 0

    def _new_scope(self) -> HTTPScope:
        path, raw_path, query = taken_apart(self.url)
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": self.parser.get_http_version(),
            "server": self.server,
            "client": self.client,
            "scheme": "http",
            "root_path": "",
            "method": self.parser.get_method().decode("ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self.headers,
        }

    def _new_cycle(self, version: str) -> Cycle:
        cycle = Cycle(self, keep_alive=version != "1.0" and self.parser.should_keep_alive())
        if version == "1.0":
            cycle.send = UnchunkedSend(cycle)  # type: ignore[method-assign]
        return cycle

    def on_body(self, body: bytes) -> None:
        self._fed = 0
        self.cycle.hear(body)

    def on_message_complete(self) -> None:
        if self._declined:
            return
        self.cycle.hear_end()
        self.phase = Phase.IDLE
        self._fed = 0

    def _start_cycle(self, cycle: Cycle, app: ASGI3Application) -> None:
        self._running = cycle
        instant = self._instant if app is self.app and cycle.is_small else None
        if instant is None or not instant(cycle, cycle.body):
            cycle.start(app)

    def on_response_complete(self) -> None:
        """Go on with the next pipelined request. uvicorn arms its keep-alive timer here; the sweep does that for us."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._since = self._now()
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_cycle(cast(Cycle, cycle), app)
        elif self.phase is Phase.BODY and self.expect_100_continue:
            # Answered without asking for the body: nobody can tell whether what follows is the body or a new request.
            self.phase = Phase.REFUSED
            self.transport.write_eof()

    # --- upgrades ---

    def _offer_upgrade(self) -> ClientTunnel | None:
        upgrade = self._get_upgrade() or b""
        has_body = any(
            name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
            for name, value in self.headers
        )
        if self.parser.get_method() == b"CONNECT":
            raise Refused(501)
        if has_body or not upgrade or upgrade in DECLINED_UPGRADES:
            self._declined = True
            return None
        return ClientTunnel(upgrade, self._detach)

    def _upgraded(self, rest: bytes) -> bytes:
        """Begin to wait for the application's decision, or give what is to be parsed where the upgrade is declined."""
        if self._declined:
            # llhttp takes everything behind such a head for the other protocol: the head is read again without it.
            head = head_without_upgrade(self.parser, self.url, self.headers)
            self._declined = False
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            return head + rest
        self.phase = Phase.TUNNEL
        self.cycle.keep_alive = False
        self._hold(rest)
        return b""

    def _hold(self, data: bytes) -> None:
        self._early += data
        if len(self._early) > MAX_EARLY_BYTES:
            self.flow.pause_reading()

    def _detach(self) -> tuple[asyncio.Transport, bytes]:
        if self.transport.is_closing():
            raise ConnectionResetError("the client has closed the connection")
        self.transport.pause_reading()
        self.connections.discard(self)
        self._tunnels.add(self.transport)
        # The ASGI channel ends here, without a word of uvicorn's about a missing response.
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        return self.transport, bytes(self._early)

    # --- refusals and deadlines ---

    def refuse(self, status: int) -> None:
        """End a request that can not be read to its end, after the answers to those before it."""
        if self.transport.is_closing():
            return
        phase, self.phase = self.phase, Phase.REFUSED
        self._since = self._now()
        cycle: RequestResponseCycle | None = self.cycle
        if phase is Phase.BODY and self.pipeline:
            # The broken request waits behind another: its turn comes, and is the refusal.
            broken, _ = self.pipeline.popleft()
            broken.keep_alive = False
            self.pipeline.appendleft((broken, refusal(status)))
        elif phase is Phase.BODY and cycle is not None and not cycle.response_complete:
            started = cycle.response_started
            self._disconnect(cycle)
            if started:
                self.transport.close()
            else:
                self._answer(status)
        elif cycle is not None and not cycle.response_complete:
            # The request before it is still being answered; the connection ends with that answer.
            cycle.keep_alive = False
        elif phase is Phase.BODY:
            # Answered already: only the rest of its body was being read.
            self.transport.close()
        else:
            self._answer(status)

    def _disconnect(self, cycle: RequestResponseCycle) -> None:
        if not cycle.disconnected:
            cycle.disconnected = True
            cycle.message_event.set()
        scope: dict[str, Any] = cycle.scope  # type: ignore[assignment]
        tell = scope.pop(ON_DISCONNECT, None)
        if tell is not None:
            tell()

    def _answer(self, status: int) -> None:
        headers = b"".join(b"%s: %s\r\n" % header for header in self.server_state.default_headers)
        text = STATUS_LINE[status][len(b"HTTP/1.1 ") :].strip()
        self.transport.write(
            b"%s%scontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
            % (STATUS_LINE[status], headers, len(text), text)
        )
        # Not closed at once: a reset for bytes that we did not read would take the answer with it.
        self.flow.resume_reading()
        self.transport.write_eof()

    def check(self, now: float) -> None:
        """Close the connection if its client has let one of the deadlines pass. Called by the server's sweep."""
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent = unsent
            self._moved = now
        if unsent and now - self._moved > self._deadlines.write:
            self.transport.abort()
        elif not self.transport.is_closing():
            CHECKS[self.phase](self, now)

    def _check_idle(self, now: float) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        deadline = self._deadlines.header if cycle is None else self._deadlines.keep_alive
        if (cycle is None or cycle.response_complete) and now - self._since > deadline:
            self.transport.close()

    def _check_head(self, now: float) -> None:
        if now - self._since > self._deadlines.header:
            self.refuse(408)

    def _check_body(self, now: float) -> None:
        if self.cycle.response_complete:
            # What is left of a body that nobody reads; the client has its answer.
            if now - self._since > self._deadlines.body:
                self.transport.close()
        elif self.flow.read_paused or self.cycle.waiting_for_100_continue:
            # It is the application that is slow.
            self._heard = now
        elif now - self._heard > self._deadlines.body:
            self.refuse(408)

    def _check_refused(self, now: float) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        answered = cycle is None or cycle.response_complete or cycle.disconnected
        if answered and now - self._since > LINGER_SECONDS:
            self.transport.abort()

    def _check_tunnel(self, now: float) -> None:
        """The application decides: an upgrade waits for the function as any request does."""


CHECKS: dict[Phase, Callable[[GatewayProtocol, float], None]] = {
    Phase.IDLE: GatewayProtocol._check_idle,
    Phase.HEAD: GatewayProtocol._check_head,
    Phase.BODY: GatewayProtocol._check_body,
    Phase.TUNNEL: GatewayProtocol._check_tunnel,
    Phase.REFUSED: GatewayProtocol._check_refused,
}
