"""Upgraded connections: the application takes over the client's transport and joins it with the instance's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httptools

from emulator.model.invocation import Headers

# Key of `scope["extensions"]` under which an upgrade request carries its `ClientTunnel`.
UPGRADE = "fclocal.upgrade"
# HTTP/2 by upgrade (h2c) is offered by some clients on every request, also with a body; a server that does not
# know it answers in HTTP/1.1 (RFC 9110 §7.8).
DECLINED_UPGRADES = frozenset({b"h2c", b"h2", b"http/2.0", b"tls/1.0"})
UPGRADE_TOKENS = frozenset({b"upgrade", b"http2-settings"})

# How long the second side may still flush what it was sent after the first side has gone.
FLUSH_SECONDS = 10.0


def head_without_upgrade(parser: httptools.HttpRequestParser, url: bytes, headers: Headers) -> bytes:
    """The head that was just parsed, as a client writes it that asks for no upgrade."""
    lines = [b"%s %s HTTP/%s" % (parser.get_method(), url, parser.get_http_version().encode())]
    for name, value in headers:
        if name == b"connection":
            value = b", ".join(t.strip() for t in value.split(b",") if t.strip().lower() not in UPGRADE_TOKENS)
        if value and name not in UPGRADE_TOKENS:
            lines.append(b"%s: %s" % (name, value))
    return b"\r\n".join(lines) + b"\r\n\r\n"


class ClientTunnel:
    """A client that asked for another protocol. Left untouched, the request is answered as any other."""

    def __init__(self, protocol: bytes, detach: Callable[[], tuple[asyncio.Transport, bytes]]) -> None:
        self.protocol = protocol
        self._detach = detach

    def __repr__(self) -> str:
        return f"<ClientTunnel {self.protocol.decode('latin-1')}>"

    def take(self, head: bytes = b"") -> tuple[asyncio.Transport, bytes]:
        """The client's transport, paused, and the bytes it sent behind its head; `head` (the raw 101) is written first.

        From here on the ASGI channel is dead: `receive` gives `http.disconnect`, `send` does nothing, and the caller
        owns the transport. Raises `ConnectionResetError` where the client has gone.
        """
        transport, early = self._detach()
        if head:
            transport.write(head)
        return transport, early


class _End(asyncio.Protocol):
    """One side of a splice: what it hears is written to the other side, as fast as that side takes it.

    The end of a side that may `half_close` is passed on, and the other side may still answer; else it ends both.
    """

    def __init__(self, other: asyncio.Transport, half_close: bool, loop: asyncio.AbstractEventLoop) -> None:
        self._other = other
        self._half_close = half_close
        self.lost: asyncio.Future[None] = loop.create_future()

    def data_received(self, data: bytes) -> None:
        self._other.write(data)

    def pause_writing(self) -> None:
        # This side takes no more, so the other side is not read until it does.
        self._other.pause_reading()

    def resume_writing(self) -> None:
        if not self._other.is_closing():
            self._other.resume_reading()

    def eof_received(self) -> bool:
        if self._half_close and not self._other.is_closing() and self._other.can_write_eof():
            self._other.write_eof()
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._other.close()
        if not self.lost.done():
            self.lost.set_result(None)


async def splice(
    client: asyncio.Transport, server: asyncio.Transport, to_server: bytes = b"", to_client: bytes = b""
) -> None:
    """Join two paused transports until both are closed; the early bytes of each side go first.

    Cancelling it cuts both sides at once, as FC does when a function's time is over (runtime-contract.md §3.10).
    """
    loop = asyncio.get_running_loop()
    ends = _End(server, True, loop), _End(client, False, loop)
    try:
        for transport, end, early in ((client, ends[0], to_client), (server, ends[1], to_server)):
            transport.set_protocol(end)
            if early:
                transport.write(early)
        for transport, end in zip((client, server), ends, strict=True):
            # A transport that went before it had this protocol reports its loss to the old one.
            if transport.is_closing():
                end.connection_lost(None)
        for transport in (client, server):
            if not transport.is_closing():
                transport.resume_reading()
        lost = [end.lost for end in ends]
        await asyncio.wait(lost, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(lost, timeout=FLUSH_SECONDS)
    finally:
        client.abort()
        server.abort()
