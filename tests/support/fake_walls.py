"""Walls without a process: each sandbox is a small HTTP server on a real unix socket in this event loop.

For tests of what stands above the walls. A frozen sandbox accepts connections and then says nothing, as a
stopped process does.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.model.errors import SandboxError
from emulator.model.launch import Exit, Launch, Network, UnixEndpoint, Usage
from emulator.sandbox.base import Finding, Listener, LogSink, Origin, Template


@dataclass
class FakeRequest:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    sandbox: FakeSandbox

    @property
    def control(self) -> str:
        return self.headers.get("x-fc-control-path", "")


@dataclass
class FakeReply:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None


Program = Callable[[FakeRequest], Awaitable[FakeReply]]


async def echo(request: FakeRequest) -> FakeReply:
    return FakeReply(request.body)


class FakeSandbox:
    def __init__(self, name: str, launch: Launch, logs: LogSink, program: Program) -> None:
        self.name = name
        self.launch = launch
        self.logs = logs
        self.program = program
        self.exited: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self.running = asyncio.Event()
        self.calls: list[str] = []
        self.memory_mb = 10.0
        self._folder = tempfile.TemporaryDirectory(prefix="fake-walls-")
        self._path = str(Path(self._folder.name) / "w.sock")
        self._server: asyncio.Server | None = None
        self._handlers: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self.running.set()
        self._server = await asyncio.start_unix_server(self._connected, self._path, limit=1 << 20)

    async def dial(self, port: int | None = None) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, self._path)
        return sock

    def listeners(self) -> Sequence[Listener]:
        return []

    async def freeze(self) -> None:
        self.calls.append("freeze")
        self.running.clear()

    async def thaw(self) -> None:
        self.calls.append("thaw")
        self.running.set()

    def drain_logs(self) -> None:
        pass

    def usage(self) -> Usage:
        return Usage(self.memory_mb, self.memory_mb)

    def members(self) -> Sequence[int]:
        return []

    def written(self) -> Sequence[str]:
        return []

    async def run(self, argv: Sequence[str], timeout: float | None) -> Exit:
        self.calls.append(" ".join(argv))
        return Exit(0)

    def signal(self, number: int) -> None:
        self.calls.append(f"signal {number}")

    async def stop(self, grace: float | None) -> Exit:
        self.calls.append("stop")
        assert self.running.is_set(), "a frozen process does not hear SIGTERM"
        self.die(Exit(0))
        return await self.exited

    async def kill(self) -> Exit:
        self.calls.append("kill")
        self.die(Exit(None, 9))
        return await self.exited

    def die(self, exit_: Exit) -> None:
        """The process ends: every connection breaks."""
        if not self.exited.done():
            for writer in self._writers:
                writer.transport.abort()
            self.exited.set_result(exit_)

    async def aclose(self) -> None:
        self.calls.append("aclose")
        for writer in self._writers:
            writer.transport.abort()
        for task in self._handlers:
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for _ in range(5):  # connections that were just accepted, or were broken, are closed by the loop a moment later
            await asyncio.sleep(0)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)
        self._folder.cleanup()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.exited.done():
            writer.transport.abort()
            return
        self._writers.add(writer)
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in head[1:] if line)}
        body = await self._body(reader, headers)
        await self.running.wait()
        request = FakeRequest(method, target, headers, body, self)
        reply = FakeReply() if request.control == "/ready" else await self.program(request)
        if reply.raw is not None:
            writer.write(reply.raw)
        else:
            fields = {"content-length": str(len(reply.body)), **reply.headers}
            lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            writer.write(f"HTTP/1.1 {reply.status} X\r\n{lines}\r\n".encode() + reply.body)
        await writer.drain()
        return reply.headers.get("connection") != "close"

    async def _body(self, reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await reader.readexactly(int(headers.get("content-length", "0")))
        pieces = []
        while size := int((await reader.readline()).strip(), 16):
            pieces.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(pieces)


class FakeWalls:
    """Makes fake sandboxes that run `program`; `made` holds them all."""

    rung = "fake"
    mounts = True
    overlays = True
    inherits = True
    shares_sockets = True
    forks = parks = True
    builds_ahead = False
    network = Network.HOST
    private_network = False

    async def settled(self) -> None:
        pass

    def __init__(self, program: Program = echo) -> None:
        self.program = program
        self.made: list[FakeSandbox] = []
        self.sockets = Path(tempfile.gettempdir())

    def findings(self) -> Sequence[Finding]:
        return []

    def sandbox(self, name: str, launch: Launch, logs: LogSink) -> FakeSandbox:
        sandbox = FakeSandbox(name, launch, logs, self.program)
        self.made.append(sandbox)
        return sandbox

    def template(self, name: str, launch: Launch, preload: Mapping[str, Any]) -> Template:
        raise SandboxError("these walls are not built around a process")

    def spares(self, launch: Callable[[str], Launch]) -> Origin:
        raise SandboxError("these walls have no process to park")

    async def aclose(self) -> None:
        for sandbox in self.made:
            if not sandbox.exited.done():
                await sandbox.kill()


LAUNCH = Launch(("x",), {}, "/code", UnixEndpoint("/run/fclocal/w.sock"), display="x ")
