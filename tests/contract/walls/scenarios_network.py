"""What walls must do about networks: those of an instance's own, and the host's. Walls that have none say so."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from walls_box import PATIENCE, SERVER, Box, box, scenario, until
from walls_kinds import CONTAINER
from walls_scenario import unusable

from emulator.model.errors import SandboxError
from emulator.model.launch import Network, TcpEndpoint
from emulator.sandbox.base import Listener, Walls
from emulator.sandbox.private import inner_resolv_conf
from emulator.sandbox.proctree import descendants

PORT = 9000
REACH = """
try:
    with socket.create_connection(({host!r}, {port}), 5) as reached:
        answer = reached.recv(100).decode()
except OSError as error:
    answer = errno.errorcode[error.errno]
"""


def listening_on(port: int) -> str:
    return SERVER.replace("socket.socket(fileno=3)", f"socket.create_server(('127.0.0.1', {port}))")


def on_port(walls: Walls, place: Path, network: Network, port: int = PORT) -> Box:
    return Box(walls, place, program=listening_on(port), endpoint=TcpEndpoint(port), network=network)


async def is_refused(walls: Walls, place: Path, network: Network) -> bool:
    """Whether these walls have no such network; then they must say what would help."""
    made = on_port(walls, place, network)
    try:
        await made.sandbox.start()
    except SandboxError as error:
        assert error.next_step, error
        return True
    finally:
        await made.sandbox.aclose()
    return False


@scenario
async def a_port_of_the_host_is_dialled(walls: Walls, place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with box(walls, place, program=listening_on(port), endpoint=TcpEndpoint(port)) as made:
        assert await made.ask("answer = 'here'") == "here"
        assert list(made.sandbox.listeners()) == [Listener(port, True)]


@scenario
async def instances_with_their_own_network_use_one_port(walls: Walls, place: Path) -> None:
    if await is_refused(walls, place, Network.NONE):
        assert walls.rung != "bwrap"
        return
    how = {"program": listening_on(PORT), "endpoint": TcpEndpoint(PORT), "network": Network.NONE}
    async with box(walls, place, **how) as one, box(walls, place, **how) as two:
        for made in (one, two):
            await made.ask(f"name = {made.token!r}")
        assert [await made.ask("answer = name") for made in (one, two)] == [one.token, two.token]
        assert list(one.sandbox.listeners()) == [Listener(PORT, True)]
        connect = f"import socket; print(socket.create_connection(('127.0.0.1', {PORT})).getpeername()[1])"
        assert (await one.sandbox.run(["python3", "-c", connect], PATIENCE)).code == 0
        assert one.lines == [str(PORT).encode()]


@scenario
async def an_instance_without_a_network_reaches_nobody(walls: Walls, place: Path) -> None:
    if await is_refused(walls, place, Network.NONE):
        assert walls.rung != "bwrap"
        return
    with socket.create_server(("127.0.0.1", 0)) as database:
        async with box(walls, place, network=Network.NONE) as made:
            assert await made.ask(REACH.format(host="127.0.0.1", port=database.getsockname()[1])) == "ECONNREFUSED"
            assert await made.ask(REACH.format(host="192.0.2.1", port=80)) == "ENETUNREACH"


@scenario
async def a_private_network_has_a_way_out(walls: Walls, place: Path) -> None:
    """The host's localhost is reached, names are resolved there, and the tool ends with the instance."""
    if not walls.private_network:
        assert await is_refused(walls, place, Network.PRIVATE)
        found = [finding.detail for finding in walls.findings() if finding.topic == "private network"]
        unusable("; ".join(found) or "these walls have no private network")

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"data")
        writer.close()
        await writer.wait_closed()

    started = set(descendants_of_ours())
    tool = next(finding.state for finding in walls.findings() if finding.topic == "private network")
    localhost, resolver = ("127.0.0.1", "169.254.1.1") if tool == "pasta" else ("10.0.2.2", "10.0.2.3")
    host_text = Path("/etc/resolv.conf").read_text()
    database = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with database:
        port = database.sockets[0].getsockname()[1]
        how = {"program": listening_on(PORT), "endpoint": TcpEndpoint(PORT), "network": Network.PRIVATE}
        async with box(walls, place, **how) as one, box(walls, place, **how) as two:
            for made in (one, two):
                assert await made.ask(REACH.format(host=localhost, port=port)) == "data"
            assert list(one.sandbox.listeners()) == [Listener(PORT, True)]
            inside = await one.ask("answer = open('/etc/resolv.conf').read()")
            assert inside == (inner_resolv_conf(host_text, resolver) or host_text)
            await one.sandbox.freeze()
            await one.sandbox.thaw()
            assert await one.ask("answer = 'thawed'") == "thawed"
    await until(lambda: set(descendants_of_ours()) <= started)


@scenario
async def what_listens_on_the_host_is_reached_from_a_bridge(walls: Walls, place: Path) -> None:
    """By the name that Docker Desktop has for it, where it listens for others than the host itself."""
    if walls.rung != CONTAINER:
        return

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"data")
        writer.close()
        await writer.wait_closed()

    how = {"program": listening_on(PORT), "endpoint": TcpEndpoint(PORT), "network": Network.PRIVATE}
    async with await asyncio.start_server(answer, "0.0.0.0", 0) as database:
        port = database.sockets[0].getsockname()[1]
        async with box(walls, place, **how) as one, box(walls, place, **how) as two:
            for made in (one, two):
                assert await made.ask(REACH.format(host="host.docker.internal", port=port)) == "data"
            assert list(one.sandbox.listeners()) == [Listener(PORT, True)]


def descendants_of_ours() -> list[int]:
    return descendants(os.getpid())
