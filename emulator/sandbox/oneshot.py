"""Walls for a program that answers nothing: it is started for one event, which it finds in its environment, and ends.

Function Compute calls this the non-web-server mode of custom containers (`webServerMode: false`): no port, events only,
exit code 0 is success, what it writes is its log, and it has the function's timeout to end (help pages 179368 and
179369). What InvokeFunction answers is UNCONFIRMED; here the body is empty.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec.structs import replace

from emulator.model.errors import SandboxError
from emulator.model.launch import Exit, Launch, TcpEndpoint, Usage
from emulator.sandbox.base import Listener, Sandbox

EVENT = "FC_CUSTOM_CONTAINER_EVENT"
# The kernel takes no longer text in an environment (MAX_ARG_STRLEN), its name and the end counted.
MOST_EVENT_BYTES = 128 * 1024 - len(EVENT) - 2
HTTP_INVOKE = "/http-invoke"
LOOK_SECONDS = 0.05
_FAILED = {"x-fc-status": "404"}


class OneShotSandbox:
    """See `base.Sandbox`. To the instance it is a server, which starts the program at its only request.

    `make` gives the program's own walls.
    """

    def __init__(self, launch: Launch, make: Callable[[Launch], Sandbox]) -> None:
        self._launch = launch
        self._make = make
        self._inner: Sandbox | None = None
        self._exited: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._most = 0.0
        self._usage = Usage(0.0, 0.0)
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def launch(self) -> Launch:
        return self._launch

    @property
    def exited(self) -> asyncio.Future[Exit]:
        return self._exited

    async def start(self) -> None:
        return

    async def dial(self, port: int | None = None) -> socket.socket:
        if self._exited.done():
            raise ConnectionRefusedError(f"{self._launch.hostname} has ended")
        theirs, ours = socket.socketpair()
        for end in (theirs, ours):
            end.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._serve(ours))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        return theirs

    def listeners(self) -> Sequence[Listener]:
        endpoint = self._launch.endpoint
        return (Listener(endpoint.port, loopback=False),) if isinstance(endpoint, TcpEndpoint) else ()

    # --- the one event ---

    async def _serve(self, end: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=end)
        try:
            while request := await _read(reader):
                answer = await self._answer(*request)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, ValueError):
            return
        finally:
            writer.close()

    async def _answer(self, target: str, headers: Mapping[str, str], body: bytes) -> bytes | None:
        """None where the program failed: its connection closes, as that of a server would that has died."""
        if headers.get("x-fc-control-path") == HTTP_INVOKE:
            return _response(400, b"a function with webServerMode: false takes no HTTP requests\n")
        if target != "/invoke":
            return _response(200)
        if self._inner is not None:
            return _failure("it has had its event")
        if len(body) > MOST_EVENT_BYTES or b"\0" in body:
            return _failure(f"an event of {len(body)} bytes does not fit into an environment variable")
        env = {**self._launch.env, EVENT: body.decode("utf-8", "surrogateescape")}
        inner = self._inner = self._make(replace(self._launch, env=env))
        try:
            await inner.start()
        except SandboxError as error:
            return _failure(str(error))
        exit_ = await self._ended(inner)
        if exit_.shell_code == 0:
            return _response(200)
        self._end(exit_)
        return None

    async def _ended(self, inner: Sandbox) -> Exit:
        """Its end. What memory it had is looked at before, since nobody can say it afterwards."""
        while not inner.exited.done():
            self._measure(inner)
            await asyncio.wait([inner.exited], timeout=LOOK_SECONDS)
        return inner.exited.result()

    def _measure(self, inner: Sandbox) -> None:
        now = inner.usage()
        most = max(self._most, now.memory_mb, now.peak_mb)
        self._most, self._usage = most, replace(now, memory_mb=most, peak_mb=most)

    # --- while it runs ---

    async def freeze(self) -> None:
        if self._inner is not None:
            await self._inner.freeze()

    async def thaw(self) -> None:
        if self._inner is not None:
            await self._inner.thaw()

    def drain_logs(self) -> None:
        if self._inner is not None:
            self._inner.drain_logs()

    def usage(self) -> Usage:
        if self._inner is not None and not self._inner.exited.done():
            self._measure(self._inner)
        return self._usage

    def members(self) -> Iterable[int]:
        return self._inner.members() if self._inner is not None else ()

    def written(self) -> Sequence[str]:
        return self._inner.written() if self._inner is not None else ()

    async def run(self, argv: Sequence[str], timeout: float | None) -> Exit:
        raise SandboxError("a function with webServerMode: false has no instance before its event", "remove the hook")

    def signal(self, number: int) -> None:
        if self._inner is not None:
            self._inner.signal(number)

    # --- the end ---

    async def stop(self, grace: float | None) -> Exit:
        return self._end(await self._inner.stop(grace) if self._inner is not None else Exit(0))

    async def kill(self) -> Exit:
        return self._end(await self._inner.kill() if self._inner is not None else Exit(0))

    def _end(self, exit_: Exit) -> Exit:
        if not self._exited.done():
            self._exited.set_result(exit_)
        return self._exited.result()

    async def aclose(self) -> None:
        for task in self._serving:
            task.cancel()
        if self._inner is not None:
            await self._inner.aclose()
        self._end(Exit(0))


async def _read(reader: asyncio.StreamReader) -> tuple[str, Mapping[str, str], bytes] | None:
    """Target, headers and body of a request that the emulator itself wrote; None at the end."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return head[0].split(" ")[1], headers, await _chunks(reader)
        return head[0].split(" ")[1], headers, await reader.readexactly(int(headers.get("content-length", 0)))
    return None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return bytes(body)


def _failure(message: str) -> bytes:
    return _response(200, json.dumps({"errorMessage": message}, ensure_ascii=False).encode(), _FAILED)


def _response(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
