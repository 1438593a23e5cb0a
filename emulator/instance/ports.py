"""Who listens where: custom runtimes often have their port hard-coded, and the host's network has it only once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from emulator.model.errors import PortTaken
from emulator.model.launch import Network
from emulator.sandbox.base import Walls
from emulator.sandbox.listeners import holder_of

# Above the ports of well-known programs, and below those of connections.
_FIRST_PORT, _USUAL_EPHEMERAL = 20_000, 32_768
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 100


@dataclass(frozen=True, slots=True)
class Assignment:
    """The port that a program is told to listen on. `moved` is true where it is not the configured one."""

    port: int
    network: Network
    moved: bool = False


class PortBook:
    """The ports that our instances hold on the host.

    A port that is free may be wanted by another emulator at the same moment, so that each is also claimed by a name in
    Linux's abstract namespace, which has the scope of the network and ends with its process.

    Where the walls can give an instance a private network, several with one port run side by side; else their
    findings say what would make that possible.
    """

    def __init__(self, network: Network, walls: Walls) -> None:
        self._network = network
        self._walls = walls
        self._held: dict[int, str] = {}
        self._claims: dict[int, socket.socket] = {}
        self._open: dict[str, asyncio.Event] = {}

    async def assign(self, instance_id: str, port: int) -> Assignment:
        """The configured port, in a network of its own where the host's is taken and that is possible;
        else a free port, which works for programs that read FC_SERVER_PORT (or FC_CUSTOM_LISTEN_PORT)."""
        if self._network is not Network.HOST:
            return Assignment(port, self._network)
        if port not in self._held and self._claim(port):
            self._held[port] = instance_id
            self._open[instance_id] = asyncio.Event()
            return Assignment(port, Network.HOST)
        await self._walls.settled()
        if self._walls.private_network:
            return Assignment(port, Network.PRIVATE)
        other = self._another()
        self._held[other] = instance_id
        return Assignment(other, Network.HOST, moved=True)

    def is_taken(self, port: int) -> bool:
        """By an instance of ours, or by somebody else."""
        return port in self._held or not _free(port)

    async def opened_by_its_owner(self, port: int) -> None:
        """A program that was given another port may ignore that: it must not be there before the one that has it."""
        owner = self._open.get(self._held.get(port, ""))
        if owner is not None:
            await owner.wait()

    def note_open(self, instance_id: str) -> None:
        """The program listens, or never will."""
        if instance_id in self._open:
            self._open[instance_id].set()

    def release(self, instance_id: str) -> None:
        self.note_open(instance_id)
        self._open.pop(instance_id, None)
        for port in [port for port, owner in self._held.items() if owner == instance_id]:
            del self._held[port]
            if claim := self._claims.pop(port, None):
                claim.close()

    def close(self) -> None:
        """Let go of what instances still hold."""
        for claim in self._claims.values():
            claim.close()
        self._claims.clear()
        self._held.clear()

    def _another(self) -> int:
        """A free port that nobody else takes before the program does."""
        for _ in range(_TRIES):
            port = random.randrange(_FIRST_PORT, _first_ephemeral())  # noqa: S311 - no secret
            if port not in self._held and self._claim(port):
                return port
        return _any_free_port()

    def _claim(self, port: int) -> bool:
        if sys.platform != "linux":
            return _free(port)
        claim = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(OSError):
            claim.bind(f"\0fclocal-port-{port}")
            if _free(port):
                self._claims[port] = claim
                return True
        claim.close()
        return False

    def conflict(self, port: int) -> PortTaken:
        """Why a program that was given another port could not start."""
        owner = self._held.get(port)
        holder = f"another instance ({owner})" if owner else holder_of(port, "127.0.0.1") or "another process"
        steps = [] if owner else ["end that process"]
        lift = next((found.lift for found in self._walls.findings() if found.topic == "private network"), "")
        if lift:
            steps.append(f"to run such instances side by side: {lift}")
        advice = ", or ".join(steps)
        return PortTaken(port, holder, f"{advice[:1].upper()}{advice[1:]}." if advice else "")


def _free(port: int) -> bool:
    with socket.socket() as sock:
        # As most servers do: a port in TIME_WAIT is free.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("0.0.0.0", port))  # noqa: S104 - probes the address that the program will use
        except OSError:
            return False
    return True


def _first_ephemeral() -> int:
    """From here on the kernel gives ports to outgoing connections, at any moment."""
    try:
        return max(int(_EPHEMERAL.read_text().split()[0]), _FIRST_PORT + 1)
    except (OSError, ValueError):
        return _USUAL_EPHEMERAL


def _any_free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("0.0.0.0", 0))  # noqa: S104 - as above
        port: int = sock.getsockname()[1]
        return port
