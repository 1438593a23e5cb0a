"""Where an instance listens, and how to connect to it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

_BACKLOG = 1024
_FULL_RETRY_SECONDS = 0.001


class UnixListener:
    """A listening unix socket that we make and the instance inherits, so that it can be dialled before it is ready.

    Only the instance keeps it open: once it is dead, whoever waits in the backlog is refused instead of hanging.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen(_BACKLOG)
        self.fd = self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


async def dial_unix(path: Path | str) -> socket.socket:
    """Raises `OSError` if nobody listens; waits while the backlog is full."""
    dialled = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        while True:
            try:
                dialled.connect(str(path))
            except BlockingIOError:
                # A full backlog. Waiting for the socket to become writable, as for TCP, would report success.
                await asyncio.sleep(_FULL_RETRY_SECONDS)
            else:
                return dialled
    except BaseException:
        dialled.close()
        raise


async def dial_tcp(port: int, address: str = "127.0.0.1") -> socket.socket:
    """To an address in the host's network. Raises `OSError` if nobody listens."""
    dialled = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await asyncio.get_running_loop().sock_connect(dialled, (address, port))
        dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        dialled.close()
        raise
    return dialled
