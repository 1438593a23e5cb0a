"""Who listens where: custom runtimes often have their port hard-coded, and the host's network has it only once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import sys
from pathlib import Path

from msgspec import Struct

from emulator.model.errors import PortTaken
from emulator.model.function import Revision
from emulator.model.launch import Network
from emulator.sandbox.base import Walls
from emulator.sandbox.listeners import holder_of

# Above the ports of well-known programs, and below those of connections.
_FIRST_PORT, _USUAL_EPHEMERAL = 20_000, 32_768
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 100


class Assignment(Struct, frozen=True):
    """The port that a program is told to listen on. `moved` is true where it is not the configured one."""

    port: int
    network: Network
    moved: bool = False


class _Owner:
    """An instance that holds its configured port: `open` when the program listens, or never will, `gone` at its end."""

    def __init__(self, revision: Revision) -> None:
        self.revision = revision
        self.open = asyncio.Event()
        self.gone = asyncio.Event()


class PortBook:
    """The ports that our instances hold on the host.

    A port that is free may be wanted by another emulator at the same moment, so that each is also claimed by a name in
    Linux's abstract namespace, which has the scope of the network and ends with its process.

    Where the walls can give an instance a private network, several with one port run side by side; else their
    findings say what would make that possible.
    """

    def __init__(self, network: Network | None) -> None:
        """`network` is what every instance is to have, None where that depends on its walls."""
        self._network = network
        self._held: dict[int, str] = {}
        self._owners: dict[str, _Owner] = {}
        self._claims: dict[int, socket.socket] = {}

    async def assign(self, instance_id: str, port: int, revision: Revision, walls: Walls) -> Assignment:
        """The configured port, in a network of its own where the host's is taken and that is possible;
        else a free port, which works for programs that read FC_SERVER_PORT (or FC_CUSTOM_LISTEN_PORT).

        An instance of an earlier revision leaves anyway, so its port is waited for.
        """
        network = self._network or walls.network
        if network is not Network.HOST:
            return Assignment(port, network)
        if self._take(instance_id, port, revision):
            return Assignment(port, Network.HOST)
        await walls.settled()
        if walls.private_network:
            return Assignment(port, Network.PRIVATE)
        while (owner := self._owners.get(self._held.get(port, ""))) and _follows(revision, owner.revision):
            await owner.gone.wait()
        if self._take(instance_id, port, revision):
            return Assignment(port, Network.HOST)
        other = self._another(instance_id)
        return Assignment(other, Network.HOST, moved=True)

    def assign_another(self, instance_id: str, port: int, network: Network) -> int:
        """One more port for an instance which is in this network: `port` if it can be had, 0 for any."""
        if network is not Network.HOST:
            return port or _FIRST_PORT
        if not port or port in self._held or not self._claim(port):
            return self._another(instance_id)
        self._held[port] = instance_id
        return port

    def _take(self, instance_id: str, port: int, revision: Revision) -> bool:
        if port in self._held or not self._claim(port):
            return False
        self._held[port] = instance_id
        self._owners[instance_id] = _Owner(revision)
        return True

    def is_taken(self, port: int) -> bool:
        """By an instance of ours, or by somebody else."""
        return port in self._held or not _free(port)

    async def opened_by_its_owner(self, port: int) -> None:
        """A program that was given another port may ignore that: it must not be there before the one that has it."""
        owner = self._owners.get(self._held.get(port, ""))
        if owner is not None:
            await owner.open.wait()

    def note_open(self, instance_id: str) -> None:
        """The program listens, or never will."""
        if instance_id in self._owners:
            self._owners[instance_id].open.set()

    def release(self, instance_id: str) -> None:
        self.note_open(instance_id)
        for port in [port for port, owner in self._held.items() if owner == instance_id]:
            del self._held[port]
            if claim := self._claims.pop(port, None):
                claim.close()
        if owner := self._owners.pop(instance_id, None):
            owner.gone.set()

    def close(self) -> None:
        """Let go of what instances still hold."""
        for claim in self._claims.values():
            claim.close()
        self._claims.clear()
        self._held.clear()

    def _another(self, instance_id: str) -> int:
        """A free port that nobody else takes before the program does."""
        port = self._unclaimed()
        self._held[port] = instance_id
        return port

    def _unclaimed(self) -> int:
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

    def conflict(self, port: int, walls: Walls) -> PortTaken:
        """Why a program in these walls that was given another port could not start."""
        owner = self._held.get(port)
        holder = f"another instance ({owner})" if owner else holder_of(port, "127.0.0.1") or "another process"
        steps = [] if owner else ["end that process"]
        lift = next((found.lift for found in walls.findings() if found.topic == "private network"), "")
        if lift:
            steps.append(f"to run such instances side by side: {lift}")
        advice = ", or ".join(steps)
        return PortTaken(port, holder, f"{advice[:1].upper()}{advice[1:]}." if advice else "")


def _follows(revision: Revision, earlier: Revision) -> bool:
    return revision.function.name == earlier.function.name and revision.number > earlier.number


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
