"""The recipe that walls are built from. Walls know a Launch and never a function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Access(Enum):
    """How a mount may be used. OVERLAY is writable inside; what was written is thrown away with the instance."""

    READ = "read"
    WRITE = "write"
    OVERLAY = "overlay"


@dataclass(frozen=True, slots=True)
class Mount:
    """A host folder or file seen at `target` inside. Several OVERLAY sources merge: the first one wins."""

    sources: tuple[Path, ...]
    target: str
    access: Access = Access.READ


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link inside the walls, such as `/var/fc/lang/python3.10/bin/python3`."""

    target: str
    points_to: str


class Network(Enum):
    """HOST shares the host's network; PRIVATE has its own with a way out; NONE has only its own loopback."""

    HOST = "host"
    PRIVATE = "private"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class UnixEndpoint:
    """The program listens on this unix socket (path as seen inside); its folder is shared with the host."""

    path: str


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """The program listens on this TCP port of its own network."""

    port: int


Endpoint = UnixEndpoint | TcpEndpoint


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start one instance.

    `argv[0]` is looked up inside the walls. `env` is complete: nothing is inherited. `memory_mb`, `cpu`
    (cores) and `disk_mb` (of /tmp) are limits; None means no limit. `display` is the command as FC writes it
    in messages. `devices` are host device nodes.
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
    devices: tuple[str, ...] = ()
    display: str = ""


@dataclass(frozen=True, slots=True)
class Exit:
    """How an instance's main process ended. `signal` is set instead of `code` when a signal killed it."""

    code: int | None
    signal: int | None = None
    oom: bool = False

    @property
    def shell_code(self) -> int:
        """The one number that FC prints: 137 for SIGKILL."""
        return 128 + self.signal if self.signal is not None else (self.code or 0)


@dataclass(frozen=True, slots=True)
class Usage:
    """Memory of an instance in MB, now and at its highest; disk of /tmp in MB (None: not measured)."""

    memory_mb: float
    peak_mb: float
    disk_mb: float | None = None
