"""What a program that is parked is told when it becomes an instance (docs/zygote.md)."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

from emulator.model.errors import SandboxError
from emulator.model.launch import Exit, Launch

_WAITS, _DONE, _ANSWER_BYTES = b"p", b"k", 4096


async def wait_until_parked(name: str, connection: socket.socket, exited: asyncio.Future[Exit]) -> None:
    """Raises `SandboxError` where it ended before it waited."""
    if await _hear(connection, len(_WAITS), exited) != _WAITS:
        raise SandboxError(f"{name} ended before it was parked")


async def assign(
    name: str, connection: socket.socket, exited: asyncio.Future[Exit], parked_as: Launch, launch: Launch
) -> None:
    """Make it an instance of `launch`; closes the connection. Raises `SandboxError`."""
    order = {
        "env": {name: value for name, value in launch.env.items() if parked_as.env.get(name) != value},
        "without": [name for name in parked_as.env if name not in launch.env],
        "cwd": launch.cwd,
    }
    await asyncio.get_running_loop().sock_sendall(connection, json.dumps(order).encode())
    connection.shutdown(socket.SHUT_WR)
    answer = await _hear(connection, _ANSWER_BYTES, exited)
    connection.close()
    if answer != _DONE:
        words = answer[1:].decode(errors="replace") or "it ended"
        raise SandboxError(f"{name} could not become an instance: {words}")


async def _hear(connection: socket.socket, size: int, exited: asyncio.Future[Exit]) -> bytes:
    """Nothing where it has ended: its end of the connection may be ours to close, of which nobody is told who waits
    there."""
    hearing = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(connection, size))
    either: set[asyncio.Future[Any]] = {hearing, exited}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return await hearing if hearing.done() else b""
    finally:
        hearing.cancel()
