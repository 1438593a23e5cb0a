"""Requests to the engine whose answers last as long as an instance, on the event loop.

docker-py would keep a thread for each of them.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlsplit

from emulator.model.errors import SandboxError
from emulator.sandbox.endpoint import dial_tcp, dial_unix

_CHUNK_BYTES = 64 * 1024
_DEFAULT_PORT = 2375  # of dockerd without TLS
_ATTACH = "/containers/{}/attach?stream=1&stdout=1&stderr=1"
_WAIT = "/containers/{}/wait"


async def attach(address: str, container: str) -> tuple[socket.socket, bytes]:
    """A connection on which comes what a container writes from now on, and what of that came already.

    Frames of stdout and stderr, see `streams.Frames`. Raises `SandboxError`.
    """
    head = f"POST {_ATTACH.format(container)} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    return await _asked(address, head)


async def wait_for_end(address: str, container: str) -> int:
    """The exit code of a container that was started, when it has ended. Raises `SandboxError`."""
    # An answer to HTTP/1.0 is not cut into chunks.
    connection, text = await _asked(address, f"POST {_WAIT.format(container)} HTTP/1.0\r\nHost: docker\r\n\r\n")
    try:
        text += await _rest(connection)
        answer: dict[str, Any] = json.loads(text)
        return int(answer["StatusCode"])
    except (OSError, ValueError, KeyError) as error:
        raise SandboxError("The container engine went away") from error
    finally:
        connection.close()


async def events(address: str, filters: dict[str, list[str]]) -> AsyncIterator[dict[str, Any]]:
    """What the engine tells from now on. Raises `SandboxError`; ends where the engine hangs up."""
    path = f"/events?filters={quote(json.dumps(filters))}"
    connection, text = await _asked(address, f"GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n")
    loop = asyncio.get_running_loop()
    try:
        while True:
            *lines, text = text.split(b"\n")
            for line in lines:
                yield json.loads(line)
            if not (chunk := await loop.sock_recv(connection, _CHUNK_BYTES)):
                return
            text += chunk
    except (OSError, ValueError) as error:
        raise SandboxError("The container engine went away") from error
    finally:
        connection.close()


async def _asked(address: str, head: str) -> tuple[socket.socket, bytes]:
    """The connection after the head of an answer, and what came behind that. Raises `SandboxError`."""
    try:
        connection = await _connected(address)
    except OSError as error:
        raise SandboxError(f"The container engine does not answer: {error.strerror or error}") from error
    try:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(connection, head.encode())
        text = b""
        while b"\r\n\r\n" not in text:
            if not (chunk := await loop.sock_recv(connection, _CHUNK_BYTES)):
                raise SandboxError("The container engine hung up")
            text += chunk
        answer, _, rest = text.partition(b"\r\n\r\n")
        if int(answer.split(b" ", 2)[1]) >= 300:
            rest += await _rest(connection)
            raise SandboxError(f"The container engine refused: {rest.decode(errors='replace').strip()}")
    except OSError as error:
        connection.close()
        raise SandboxError(f"The container engine hung up: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection, rest


async def _connected(address: str) -> socket.socket:
    if address.startswith("/"):
        return await dial_unix(address)
    where = urlsplit(address)
    host = "127.0.0.1" if where.hostname in (None, "localhost") else where.hostname
    return await dial_tcp(where.port or _DEFAULT_PORT, host)


async def _rest(connection: socket.socket) -> bytes:
    loop, text = asyncio.get_running_loop(), b""
    while chunk := await loop.sock_recv(connection, _CHUNK_BYTES):
        text += chunk
    return text
