"""The HTTP server: uvicorn's protocol on our own sockets, with one sweep over all connections for every deadline.

`uvicorn.Server` itself is not used: it installs signal handlers and exits the process where it can not bind.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from email.utils import formatdate
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from emulator.gateway.binding import BACKLOG, HolderOf, bind
from emulator.gateway.deadlines import Deadlines
from emulator.gateway.protocol import GatewayProtocol
from emulator.sandbox.listeners import holder_of as named_by_the_kernel

# How long cancelled requests may take for their cleanup before they are left.
CLEANUP_SECONDS = 5.0


class Server:
    """Listens from `start` to `stop`. One owner calls both, on the loop that serves."""

    def __init__(self, config: Config, deadlines: Deadlines, holder_of: HolderOf) -> None:
        self._config = config
        self._deadlines = deadlines
        self._holder_of = holder_of
        self._state = ServerState()
        self._tunnels: set[asyncio.Transport] = set()
        self._servers: list[asyncio.Server] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tick = min(1.0, deadlines.shortest / 4)
        self.port = config.port

    def __repr__(self) -> str:
        return f"<Server {self._config.host}:{self.port}, {self.connections} connections>"

    @property
    def connections(self) -> int:
        """How many clients are connected now, tunnels included."""
        return len(self._state.connections) + sum(not transport.is_closing() for transport in self._tunnels)

    async def start(self) -> None:
        """Bind and accept. Afterwards `port` is the real one. Raises `UserError`, which names who holds the port."""
        sockets = bind(self._config.host, self._config.port, self._holder_of)
        self.port = sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        self._sweep(loop)
        for listener in sockets:
            self._servers.append(await loop.create_server(self._protocol, sock=listener, backlog=BACKLOG))

    def _protocol(self) -> GatewayProtocol:
        loop = asyncio.get_running_loop()
        return GatewayProtocol(self._config, self._state, self._deadlines, self._tunnels, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
        now = loop.time()
        for connection in tuple(self._state.connections):
            if isinstance(connection, GatewayProtocol):
                connection.check(now)
        self._tunnels.difference_update([transport for transport in self._tunnels if transport.is_closing()])
        self._timer = loop.call_later(self._tick, self._sweep, loop)

    async def stop(self, grace: float) -> None:
        """Accept no more, let requests end for `grace` seconds, then cut what is left. May be called twice."""
        for server in self._servers:
            server.close()
        for connection in tuple(self._state.connections):
            connection.shutdown()
        try:
            if self._state.tasks:
                await asyncio.wait(self._state.tasks, timeout=grace)
        finally:
            await self._cut()

    async def _cut(self) -> None:
        for connection in tuple(self._state.connections):
            connection.transport.abort()
        for transport in self._tunnels:
            transport.abort()
        tasks = set(self._state.tasks)
        for task in tasks:
            task.cancel()
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=CLEANUP_SECONDS)
            for server in self._servers:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(server.wait_closed(), CLEANUP_SECONDS)
        finally:
            self._servers.clear()
            if self._timer is not None:
                self._timer.cancel()


def make_server(
    app: Any,
    host: str = "127.0.0.1",
    port: int = 7788,
    deadlines: Deadlines | None = None,
    holder_of: HolderOf = named_by_the_kernel,
) -> Server:
    """A server for an ASGI application, not started. Upgrades come as http scopes with a `ClientTunnel` (tunnel.py)."""
    config = Config(
        app,
        host,
        port,
        http=GatewayProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        proxy_headers=False,
        server_header=False,
    )
    # `Config.load()` is for applications named by strings and calls ours once to find out whether it is a factory.
    config.loaded_app = app
    config.ws_protocol_class = None
    config.loaded = True
    return Server(config, deadlines or Deadlines(), holder_of)
