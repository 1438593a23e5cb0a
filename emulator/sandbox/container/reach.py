"""Connections into a container."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.model.errors import SandboxError
from emulator.model.launch import Network
from emulator.sandbox.endpoint import dial_tcp, dial_unix
from emulator.sandbox.network import NamespaceDialer, NamespaceHelper

_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.001, 0.02


class Reach:
    """The way to TCP ports of one container: those of the host, those inside its network, or at its address."""

    def __init__(self, dialer: NamespaceDialer | None, address: str) -> None:
        self._dialer = dialer
        self._address = address

    @classmethod
    def of(cls, network: Network, helper: NamespaceHelper, pid: int, found: Mapping[str, Any]) -> Reach:
        """Raises `SandboxError` where there is no way in."""
        if network is Network.HOST:
            return cls(None, "127.0.0.1")
        try:
            return cls(NamespaceDialer.of(helper, pid), "")
        except FileNotFoundError:  # it has ended already
            return cls(None, "")
        except OSError as error:
            address = _address(found)
            if not address:
                raise SandboxError(
                    "Only root may connect to a program in a container without a network", "use --network bridge"
                ) from error
            return cls(None, address)

    async def dial(self, port: int) -> socket.socket:
        if self._dialer is not None:
            return await self._dialer.dial(port)
        if not self._address:
            raise ConnectionRefusedError("the container does not run")
        return await dial_tcp(port, self._address)

    async def aclose(self) -> None:
        if self._dialer is not None:
            await self._dialer.aclose()


def _address(found: Mapping[str, Any]) -> str:
    """Of a container on the bridge, where the engine and we have one kernel."""
    settings = found.get("NetworkSettings") or {}
    networks = [settings, *(settings.get("Networks") or {}).values()]
    return next((str(it["IPAddress"]) for it in networks if it.get("IPAddress")), "")


async def dial_when_there(path: Path, exited: asyncio.Future[Any]) -> socket.socket:
    """The program binds and listens by itself, so that both are waited for until it has ended. Raises `OSError`."""
    pause = _PAUSE_SECONDS
    while True:
        try:
            return await dial_unix(path)
        except (FileNotFoundError, ConnectionRefusedError):
            if exited.done():
                raise ConnectionRefusedError("the container does not run") from None
        await asyncio.wait([exited], timeout=pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
