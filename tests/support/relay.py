"""An engine as it is reached from another machine or into a virtual one: over TCP, and by nothing else; and this
machine as a virtual one hands on what its containers send it.

python relay.py TO [HOST:PORT [HELD]] passes on what comes there, by default to a free port of 127.0.0.1, and prints the
port. TO is the path of a socket, or a port of 127.0.0.1. A request with HELD in it is held back for a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_CHUNK_BYTES = 64 * 1024
_HELD_SECONDS = 0.5
_ANY_PORT = "127.0.0.1:0"


@contextlib.contextmanager
def relayed(engine: Path, held: str = "") -> Iterator[str]:
    """The address, for DOCKER_HOST, at which the engine answers that listens on this unix socket. It hears of requests
    with `held` in them later than of those that come behind."""
    with _running(str(engine), _ANY_PORT, held) as port:
        yield f"tcp://127.0.0.1:{port}"


@contextlib.contextmanager
def handed_on(host: str, port: int) -> Iterator[None]:
    """What comes to this port of an address of this machine goes to that of 127.0.0.1."""
    with _running(str(port), f"{host}:{port}"):
        yield


@contextlib.contextmanager
def _running(*words: str) -> Iterator[int]:
    argv = [sys.executable, __file__, *words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as relay:
        try:
            assert relay.stdout is not None
            yield int(relay.stdout.readline())
        finally:
            relay.kill()


async def serve(target: str, place: str = _ANY_PORT, held: str = "") -> None:
    async def both_ways(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if target.isdigit():
            there, back = await asyncio.open_connection("127.0.0.1", int(target))
        else:
            there, back = await asyncio.open_unix_connection(target)
        await asyncio.gather(pass_on(reader, back, held.encode()), pass_on(there, writer))
        for end in (writer, back):
            end.close()

    host, _, port = place.partition(":")
    server = await asyncio.start_server(both_ways, host, int(port))
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter, held: bytes = b"") -> None:
    """Each way has its own end: an attached stream is read long after nothing more is written."""
    with contextlib.suppress(OSError):
        while chunk := await source.read(_CHUNK_BYTES):
            if held and held in chunk:
                await asyncio.sleep(_HELD_SECONDS)
            target.write(chunk)
            await target.drain()
    with contextlib.suppress(OSError):
        target.write_eof()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
