"""The recipe that walls are built from. Walls know a Launch and never a function."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from msgspec import Struct

from emulator.model.gpu import GpuShare

# As Docker Desktop calls the machine around it, and we in every container on a bridge.
MACHINE = "host.docker.internal"


class Access(Enum):
    """How a mount may be used. OVERLAY is writable inside; what was written is thrown away with the instance."""

    READ = "read"
    WRITE = "write"
    OVERLAY = "overlay"


class Mount(Struct, frozen=True):
    """A host folder or file seen at `target` inside. Several OVERLAY sources merge: the first one wins.

    `origins` are set where the sources are only views of others, such as at another speed: what editors know of."""

    sources: tuple[Path, ...]
    target: str
    access: Access = Access.READ
    origins: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Where on the host the files really lie."""
        return self.origins or self.sources


class Link(Struct, frozen=True):
    """A symbolic link inside the walls, such as `/var/fc/lang/python3.10/bin/python3`."""

    target: str
    points_to: str


class Copy(Struct, frozen=True):
    """What of the host an image is known to hold at `target`. Debuggers are told; nothing is mounted."""

    source: Path
    target: str


class Device(Struct, frozen=True):
    """A device node of the host, or a folder of them, seen at `target` inside. Left out where the host has none."""

    source: str
    target: str


class Network(Enum):
    """HOST shares the host's network; PRIVATE has its own with a way out; NONE has only its own loopback."""

    HOST = "host"
    PRIVATE = "private"
    NONE = "none"


class WallsKind(Enum):
    """Of what walls are made."""

    PROCESS = "process"
    CONTAINER = "container"


class UnixEndpoint(Struct, frozen=True):
    """The program listens on this unix socket (path as seen inside); its folder is shared with the host."""

    path: str


class TcpEndpoint(Struct, frozen=True):
    """The program listens on this TCP port of its own network."""

    port: int


Endpoint = UnixEndpoint | TcpEndpoint


class Launch(Struct, frozen=True):
    """How to start one instance.

    `argv[0]` is looked up inside the walls. `env` is complete: nothing is inherited. `memory_mb`, `cpu`
    (cores) and `disk_mb` (of /tmp) are limits; None means no limit. `display` is the command as FC writes it
    in messages. `gpu` is what it holds of the machine's cards, whose nodes are among `devices`: for walls that have
    other means to hand cards on. On `debug_port` listens a debugger that is started inside: it and the processes that
    it starts may look into each other. `image` names the files that are there beside the mounts,
    for walls that are made of images: with one, an empty `argv` means the image's own, and `env` is added to its own.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    endpoint: Endpoint
    mounts: tuple[Mount, ...] = ()
    links: tuple[Link, ...] = ()
    hostname: str = "fclocal"
    uid: int = 0
    gid: int = 0
    network: Network = Network.HOST
    memory_mb: int | None = None
    cpu: float | None = None
    disk_mb: int | None = None
    devices: tuple[Device, ...] = ()
    gpu: GpuShare | None = None
    display: str = ""
    debug_port: int | None = None
    image: str = ""
    copies: tuple[Copy, ...] = ()


class Start(Enum):
    """How an instance's program comes to run: an interpreter of its own, a fork of one that has loaded what it needs,
    or a process that was parked ahead of time; or it is spawned in walls that were built ahead of time."""

    SPAWN = "spawn"
    FORK = "fork"
    SPARE = "spare"
    WALLS = "walls"


class Exit(Struct, frozen=True):
    """How an instance's main process ended. `signal` is set instead of `code` when a signal killed it."""

    code: int | None
    signal: int | None = None
    oom: bool = False

    @property
    def shell_code(self) -> int:
        """The one number that FC prints: 137 for SIGKILL."""
        return 128 + self.signal if self.signal is not None else (self.code or 0)


class Usage(Struct, frozen=True):
    """Memory of an instance in MB, now and at its highest; disk of /tmp in MB (None: not measured).

    `curve` is its memory lately, as (monotonic seconds, MB), where it changed.
    """

    memory_mb: float
    peak_mb: float
    disk_mb: float | None = None
    curve: tuple[tuple[float, float], ...] = ()
