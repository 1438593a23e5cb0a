"""The protocol of walls, implemented by each rung. Walls know a `Launch` and never a function."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from emulator.model.launch import Exit, Launch, Network, Start, Usage

if TYPE_CHECKING:
    from emulator.sandbox.inside import Inside
    from emulator.sandbox.limits_table import Table

# Called on the event loop with each complete line, without its newline, in the order written.
LogSink = Callable[[bytes], None]


class Listener(Struct, frozen=True):
    """A TCP port that a process of the instance listens on; `loopback` is true where it is 127.0.0.1 only."""

    port: int
    loopback: bool


class Finding(Struct, frozen=True):
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

    async def dial(self, port: int | None = None) -> socket.socket:
        """A new connected, non-blocking socket to the launch's endpoint, or to another TCP port of the instance's.
        Raises `OSError` if nobody listens."""
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

    def members(self) -> Iterable[int]:
        """Its processes, a moment ago, as pids of the host."""
        ...

    def written(self) -> Sequence[str]:
        """Paths inside the overlays that the instance wrote or deleted (`- path`)."""
        ...

    async def run(self, argv: Sequence[str], timeout: float | None) -> Exit:
        """Run one more command inside, such as an Initializer command. Raises `TimeoutError`; a caller without a
        timeout ends it by cancelling."""
        ...

    def signal(self, number: int) -> None:
        """To the main process, if it runs."""
        ...

    async def stop(self, grace: float | None) -> Exit:
        """SIGTERM to the main process, SIGKILL to everything after `grace` seconds. Thaws first. Without a grace it is
        the caller's to `kill`."""
        ...

    async def kill(self) -> Exit:
        """End every process at once, frozen or not."""
        ...

    async def aclose(self) -> None:
        """Kill what is left, and remove folders, groups and sockets. May be called twice."""
        ...


class Origin(Protocol):
    """Where instances of one function can come from sooner than by a spawn: a template, or parked spares."""

    @property
    def alive(self) -> bool:
        """Whether it can be taken from now."""
        ...

    @property
    def in_use(self) -> bool:
        """Whether an instance of it is alive, spares not counted."""
        ...

    def keep(self, count: int, new_name: Callable[[], str]) -> None:
        """Park this many spares, now and whenever one was taken. Each is an instance's walls by its name."""
        ...

    def reserve(self) -> str | None:
        """The name of a spare, which is kept for `sandbox`; None where none is parked."""
        ...

    def give_back(self, name: str) -> None:
        """What was reserved is not wanted after all."""
        ...

    def start_of(self, name: str) -> Start:
        """How an instance of this name would be started."""
        ...

    def sandbox(self, name: str, launch: Launch, logs: LogSink) -> Sandbox:
        """Walls for an instance: those of the spare if `name` is reserved."""
        ...

    def learn(self, name: str, kind: str) -> asyncio.Task[None] | None:
        """The instance of this name has just answered for the first time; what it has come to use may be had ahead of
        time by others. `kind` tells those apart of which some use more. Until the end of what is returned, it is best
        asked nothing."""
        ...

    def retire(self) -> None:
        """Give no more, and end with the last instance."""
        ...


class Template(Origin, Protocol):
    """A process from which instances are forked, see `template.Template`."""

    @property
    def report(self) -> Mapping[str, Any]:
        """What it told when it had loaded everything: `names` by their files, or `again`, what must be set before."""
        ...

    async def start(self) -> None:
        """Start it and let it load what it is to load. Raises `SandboxError` where that, or a fork of it, fails; it is
        closed then, as it is where it told `again`."""
        ...


class Walls(Protocol):
    """One rung of the ladder: makes sandboxes."""

    @property
    def rung(self) -> str:
        """Short name, as printed: `bwrap`, `landlock`, `plain`, `container`."""
        ...

    @property
    def mounts(self) -> bool:
        """True where `Launch.mounts` are seen at their targets. Else programs see the host's paths."""
        ...

    @property
    def overlays(self) -> bool:
        """True where a mount may have several sources, which merge."""
        ...

    @property
    def inherits(self) -> bool:
        """True where a program on a unix socket is started with it, listening, as descriptor 3. Else it binds the
        endpoint's path by itself."""
        ...

    @property
    def shares_sockets(self) -> bool:
        """True where instances can be shown unix sockets of ours, and we theirs. Else bootstraps listen on TCP."""
        ...

    @property
    def forks(self) -> bool:
        """True where `template` can give something."""
        ...

    @property
    def parks(self) -> bool:
        """True where `spares` can give something."""
        ...

    @property
    def builds_ahead(self) -> bool:
        """True where walls can be built ahead of time for any program, which is started when it is assigned."""
        ...

    @property
    def cpu_is_free(self) -> str:
        """Why instances may use more than `Launch.cpu`; nothing where they may not."""
        ...

    @property
    def shell(self) -> Sequence[str]:
        """A sh that can be run inside, whatever files are there."""
        ...

    @property
    def sockets(self) -> Path:
        """A private folder with a short path, for sockets of ours that instances are shown. Gone with the walls."""
        ...

    async def settled(self) -> None:
        """Returns when it is known what networks of their own instances can have: few need one, and trying it takes
        longer than all the rest of a start."""
        ...

    @property
    def network(self) -> Network:
        """Of programs with a port, where nobody says otherwise."""
        ...

    @property
    def private_network(self) -> bool:
        """True where `Network.PRIVATE` reaches the host's localhost and the internet, as far as `settled`."""
        ...

    def findings(self) -> Sequence[Finding]:
        """What is known, as far as `settled`."""
        ...

    def held(self, inside: Inside, network: Network | None) -> Table:
        """How near these walls come to each row of the limits table, as far as `settled`; `inside` is what was seen
        in them (`inside.look`), `network` what every instance is to have, if that was said."""
        ...

    def sandbox(self, name: str, launch: Launch, logs: LogSink) -> Sandbox:
        """Walls for one instance; `name` is its id and must be a safe file name."""
        ...

    def template(self, name: str, launch: Launch, preload: Mapping[str, Any]) -> Template:
        """A template for instances with such a launch, which is not started; `preload` see `preload.py` of the Python
        bootstrap."""
        ...

    def spares(self, launch: Callable[[str], Launch]) -> Origin:
        """Spares of a program that waits to be told what it is to be (docs/zygote.md): each is parked with what
        `launch` says for its name, and taken for a launch that differs from that in nothing but its environment.

        Raises `SandboxError` where there can be none for such a launch.
        """
        ...

    def built_ahead(self, launch: Callable[[str], Launch]) -> Origin:
        """The same for any program: the walls are there, and the program is started when one is taken."""
        ...

    async def aclose(self) -> None:
        """End everything that was made and forgot to be closed."""
        ...
