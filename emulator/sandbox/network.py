"""Ways into an instance's own network: connections to what it listens on, without a program of ours inside."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import sys
from collections.abc import Sequence

from emulator.sandbox import nsdoor
from emulator.sandbox.spawn import Child, spawn

# Sockets are made a few at a time: a fork costs more than a socket, and each unused one costs a descriptor.
_BATCH = 4
_REPLY_BYTES = 4096
_PATIENCE_SECONDS = 5.0
_TRIES = 2


class NamespaceHelper:
    """Our side of `nsdoor`: one small process for an emulator. It is started at first use, and again if it died."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._door: socket.socket | None = None
        self._sending = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Of the helper, while it runs."""
        return self._child.pid if self._child and not self._child.exited.done() else None

    async def ask(self, words: Sequence[str], fds: Sequence[int] = ()) -> tuple[socket.socket, list[int]]:
        """Send a request, and wait for its answer: the socket on which it came, and the descriptors that came along.

        Raises `OSError` with the helper's words where it could not do what was asked.
        """
        for _ in range(_TRIES):
            answer = await self._ask(words, fds)
            if answer is not None:
                return answer
        raise OSError("the helper for namespaces ended")

    async def _ask(self, words: Sequence[str], fds: Sequence[int]) -> tuple[socket.socket, list[int]] | None:
        """None where the helper took the request and died, and with it all that it may have started."""
        reply, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            reply.setblocking(False)
            try:
                request = "\0".join(words).encode("utf-8", "surrogateescape")
                child = await self._send(request, [theirs.fileno(), *fds])
            finally:
                theirs.close()
            await _ready(reply)
            text, received, _, _ = socket.recv_fds(reply, _REPLY_BYTES, nsdoor.MAX_SOCKETS)
            for fd in received:  # else every function that is started later would inherit it
                os.set_inheritable(fd, False)
            if text and text != b"ok":
                raise OSError(text.decode(errors="replace"))
        except BaseException:
            reply.close()
            raise
        if not text:
            reply.close()
            # Killed, but perhaps not gone yet: until it is, its end of the door would take the next request too.
            await asyncio.wait([child.exited], timeout=_PATIENCE_SECONDS)
            return None
        return reply, received

    async def aclose(self) -> None:
        """End the helper, and with it everything that was started through it."""
        if self._door is not None:
            self._door.close()
            self._door = None
        if self._child is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._child.exited), _PATIENCE_SECONDS)

    async def _send(self, request: bytes, fds: Sequence[int]) -> Child:
        """Which helper has it."""
        async with self._sending:
            while True:
                door, child = self._open_door()
                try:
                    socket.send_fds(door, [request], fds)
                except BlockingIOError:
                    await _ready(door, writable=True)
                except (BrokenPipeError, ConnectionResetError):
                    await child.exited
                else:
                    return child

    def _open_door(self) -> tuple[socket.socket, Child]:
        if self._door is None or self._child is None or self._child.exited.done():
            if self._door is not None:
                self._door.close()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.setblocking(False)
            program = (sys.executable, "-I", "-S", nsdoor.__file__)
            with theirs:
                self._child = spawn(
                    asyncio.get_running_loop(), program, {"PATH": os.defpath}, {nsdoor.DOOR_FD: theirs.fileno()}
                )
            self._door = ours
        return self._door, self._child


async def release(hold: socket.socket) -> None:
    """Give back what the helper keeps for us as long as this answer's socket is open; returns when it has ended."""
    if hold.fileno() < 0:
        return
    try:
        hold.shutdown(socket.SHUT_WR)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_ready(hold), _PATIENCE_SECONDS)
    except OSError:
        pass  # the other side was gone already
    finally:
        hold.close()


def open_network(pid: int) -> int:
    """A descriptor of the network namespace of a process. Raises `OSError` where we may not look at it."""
    return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class NamespaceDialer:
    """Connections to 127.0.0.1 inside a network namespace, whose descriptor it owns and closes with `aclose`.

    Needs no privileges over a namespace that a process of our own user made.
    """

    def __init__(self, helper: NamespaceHelper, namespace: int) -> None:
        self._helper = helper
        self._namespace = namespace
        self._stock: list[socket.socket] = []
        self._restocking = asyncio.Lock()

    @classmethod
    def of(cls, helper: NamespaceHelper, pid: int) -> NamespaceDialer:
        """To where `pid` is; made while that lives, as later its number could mean another process. `OSError`."""
        return cls(helper, open_network(pid))

    async def dial(self, port: int, host: str = "127.0.0.1") -> socket.socket:
        """A connected, non-blocking socket. Raises `OSError`, such as `ConnectionRefusedError` if nobody listens."""
        dialled = await self._take()
        try:
            dialled.setblocking(False)
            await asyncio.get_running_loop().sock_connect(dialled, (host, port))
            dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException as error:
            dialled.close()
            if isinstance(error, OSError) and error.errno == errno.ENETUNREACH:
                # bubblewrap brings the loopback interface up after it was let go: nobody listens before.
                raise ConnectionRefusedError(errno.ECONNREFUSED, "its network is not up yet") from error
            raise
        return dialled

    async def aclose(self) -> None:
        """May be called twice. Connections that were handed out stay open."""
        if self._namespace >= 0:
            os.close(self._namespace)
            self._namespace = -1
        while self._stock:
            self._stock.pop().close()

    async def _take(self) -> socket.socket:
        async with self._restocking:
            if not self._stock and self._namespace >= 0:
                reply, fds = await self._helper.ask(("sockets", str(_BATCH)), [self._namespace])
                reply.close()
                self._stock += [socket.socket(fileno=fd) for fd in fds]
            if self._namespace < 0:  # perhaps closed while we waited
                await self.aclose()
                raise OSError("the instance's network is closed")
            return self._stock.pop()


async def _ready(watched: socket.socket, *, writable: bool = False) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    add, remove = (loop.add_writer, loop.remove_writer) if writable else (loop.add_reader, loop.remove_reader)
    add(watched, tell)
    try:
        await ready
    finally:
        remove(watched)
