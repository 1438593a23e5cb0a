"""TCP ports of a container, as an engine apart publishes them on this machine.

What forwards them (Docker's userland proxy, that of Docker Desktop, Colima's SSH) accepts for a program that does not
listen yet, and then closes: that a connection is accepted says nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from emulator.model.errors import SandboxError
from emulator.sandbox.base import Listener
from emulator.sandbox.container.container import Container
from emulator.sandbox.endpoint import dial_tcp
from emulator.sandbox.listeners import listed

_TABLES = ("cat", "/proc/net/tcp", "/proc/net/tcp6")
_HEADLINE = "local_address"
# A connection that stays open so long is worth a look inside; where there is no `cat` to look with, so long is taken
# for an answer.
_SHORT_HOLD_SECONDS, _LONG_HOLD_SECONDS = 0.02, 0.5
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.005, 0.1
# A look inside while nothing is forwarded, which tells a wrong port: a command in a container is dear.
_LOOK_SECONDS = 1.0


class Published:
    """`ports` are those of this machine's 127.0.0.1 by those of the container."""

    def __init__(self, container: Container, ports: Mapping[int, int]) -> None:
        self._container = container
        self._ports = ports
        self._can_look = True
        self.listeners: Sequence[Listener] = ()

    async def dial(self, port: int) -> socket.socket:
        """Raises `OSError`. Of a port that was not seen to be open, a connection may be closed at once."""
        if port not in self._ports:
            raise ConnectionRefusedError(f"port {port} of the container is not published")
        return await dial_tcp(self._ports[port])

    async def opened(self, port: int) -> None:
        """Returns when something listens on `port` for others than the container itself."""
        loop = asyncio.get_running_loop()
        pause, looked = _PAUSE_SECONDS, loop.time()
        while True:
            held = await self._holds(port, _SHORT_HOLD_SECONDS)
            if held or loop.time() - looked > _LOOK_SECONDS:
                await self._look()
                looked = loop.time()
            if held and not self._can_look and await self._holds(port, _LONG_HOLD_SECONDS):
                self.listeners = (Listener(port, loopback=False),)
            if any(it.port == port and not it.loopback for it in self.listeners):
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)

    async def _holds(self, port: int, seconds: float) -> bool:
        """Whether a connection is still open after a moment, or something was said on it."""
        try:
            connection = await self.dial(port)
        except OSError:
            return False
        try:
            async with asyncio.timeout(seconds):
                return bool(await asyncio.get_running_loop().sock_recv(connection, 1))
        except TimeoutError:
            return True
        except OSError:
            return False
        finally:
            connection.close()

    async def _look(self) -> None:
        """At who listens inside."""
        if not self._can_look:
            return
        try:
            _, output = await self._container.told(_TABLES)
        except SandboxError:
            output = b""
        text = output.decode(errors="replace")
        self._can_look = _HEADLINE in text
        self.listeners = listed(text)


def published(found: Mapping[str, Any]) -> dict[int, int]:
    """Ports of the container and of this machine, from what the engine says of it once it runs."""
    ports: Mapping[str, Any] = (found.get("NetworkSettings") or {}).get("Ports") or {}
    return {
        int(name.partition("/")[0]): int(bound[0]["HostPort"])
        for name, bound in ports.items()
        if bound and name.endswith("/tcp")
    }
