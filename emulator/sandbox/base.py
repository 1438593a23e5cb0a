"""The protocol of walls, implemented by each rung. Walls know a `Launch` and never a function."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from emulator.model.launch import Exit, Launch, Usage

# Called on the event loop with each complete line, without its newline, in the order written.
LogSink = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP port that a process of the instance listens on; `loopback` is true where it is 127.0.0.1 only."""

    port: int
    loopback: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `fclocal doctor`: what a facility is here, and the command that would lift it."""

    topic: str
    state: str
    detail: str = ""
    lift: str = ""
    full: bool = True

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        lift = f" → {self.lift}" if self.lift else ""
        return f"{self.topic}: {self.state}{detail}{lift}"


class Sandbox(Protocol):
    """Walls around one Launch, from start to exit. Every method is called on the event loop's thread.

    A process is spawned on the main thread, since its death signal is tied to the thread that made it.
    """

    @property
    def launch(self) -> Launch: ...

    @property
    def exited(self) -> asyncio.Future[Exit]:
        """Done once when the main process has ended and its logs were read to the end."""
        ...

    async def start(self) -> None:
        """Spawn. Returns when the process runs, not when it answers. Raises `SandboxError`, and then closes itself."""
        ...

    async def dial(self) -> socket.socket:
        """A new connected, non-blocking socket to the launch's endpoint. Raises `OSError` if nobody listens."""
        ...

    def listeners(self) -> Sequence[Listener]:
        """What processes of this instance listen on, to tell a wrong port from a slow start."""
        ...

    async def freeze(self) -> None:
        """Stop every process inside; returns when they stand still."""
        ...

    async def thaw(self) -> None: ...

    def drain_logs(self) -> None:
        """Hand over what was already written, now, without waiting: called before an answer is reported."""
        ...

    def usage(self) -> Usage:
        """Memory and disk of the whole instance now; costs a few file reads, so callers space their calls."""
        ...

    def written(self) -> Sequence[str]:
        """Paths inside the overlays that the instance wrote or deleted (`- path`)."""
        ...

    async def run(self, argv: Sequence[str], timeout: float) -> Exit:
        """Run one more command inside, such as an Initializer command. Raises `TimeoutError`."""
        ...

    async def stop(self, grace: float) -> Exit:
        """SIGTERM to the main process, SIGKILL to everything after `grace` seconds. Thaws first."""
        ...

    async def kill(self) -> Exit:
        """End every process at once, frozen or not."""
        ...

    async def aclose(self) -> None:
        """Kill what is left, and remove folders, groups and sockets. May be called twice."""
        ...


class Walls(Protocol):
    """One rung of the ladder: makes sandboxes."""

    @property
    def rung(self) -> str:
        """Short name, as printed: `bwrap`, `landlock`, `plain`."""
        ...

    @property
    def mounts(self) -> bool:
        """True where `Launch.mounts` are seen at their targets. Else programs see the host's paths."""
        ...

    @property
    def overlays(self) -> bool:
        """True where a mount may have several sources, which merge."""
        ...

    async def settled(self) -> None:
        """Returns when it is known what networks of their own instances can have: few need one, and trying it takes
        longer than all the rest of a start."""
        ...

    @property
    def private_network(self) -> bool:
        """True where `Network.PRIVATE` reaches the host's localhost and the internet, as far as `settled`."""
        ...

    def findings(self) -> Sequence[Finding]:
        """What is known, as far as `settled`."""
        ...

    def sandbox(self, name: str, launch: Launch, logs: LogSink) -> Sandbox:
        """Walls for one instance; `name` is its id and must be a safe file name."""
        ...

    async def aclose(self) -> None:
        """End everything that was made and forgot to be closed."""
        ...
