"""Ways into and out of network namespaces that bubblewrap made."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from walls_scenario import SYSTEM_PYTHON, as_program, unusable, wait_for_end

from emulator.model.errors import SandboxError
from emulator.sandbox.base import Listener
from emulator.sandbox.listeners import descendants, listening, process_tree
from emulator.sandbox.network import NamespaceDialer, NamespaceHelper
from emulator.sandbox.private import PrivateNetwork, probe_private

PORT = 9000
# Listens everywhere and, on the next port, on loopback only; answers each caller with what it is asked to evaluate.
SERVER = f"""
import os, socket, threading
def reach(host, port):
    try:
        with socket.create_connection((host, port), 5) as reached:
            return reached.recv(100).decode()
    except OSError as error:
        return type(error).__name__
def serve(server):
    while True:
        caller, _ = server.accept()
        with caller:
            caller.sendall(str(eval(caller.recv(4096))).encode())
inner = socket.create_server(("127.0.0.1", {PORT + 1}))
server = socket.create_server(("0.0.0.0", {PORT}))
print("up", flush=True)
serve(server)
"""

Scenario = Callable[["Site"], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


@dataclass(frozen=True, slots=True)
class Site:
    """What a scenario is given: a helper, a folder of its own, and where tools are looked for (empty: everywhere)."""

    helper: NamespaceHelper
    folder: Path
    tools: str | None


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


@asynccontextmanager
async def instance(
    uid: int = 0, before: Callable[[int], Awaitable[object]] | None = None
) -> AsyncIterator[tuple[int, int]]:
    """A server with a network of its own; bubblewrap's pid, and that of the first process inside.

    `before` is awaited with the latter while bubblewrap waits at its gate, as the sandbox does.
    """
    bwrap = shutil.which("bwrap") or unusable("bubblewrap is missing")
    info, info_end = os.pipe()
    gate_end, gate = os.pipe()
    process = await asyncio.create_subprocess_exec(
        bwrap, "--unshare-user", "--disable-userns", "--unshare-pid", "--unshare-net", "--cap-drop", "ALL",
        "--die-with-parent", "--uid", str(uid), "--gid", str(uid),
        "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev",
        "--info-fd", str(info_end), "--block-fd", str(gate_end), SYSTEM_PYTHON, "-c", SERVER,
        pass_fds=(info_end, gate_end), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.close(info_end)
    os.close(gate_end)
    try:
        with os.fdopen(info) as told:
            text = await asyncio.to_thread(told.read)
        assert process.stderr is not None and process.stdout is not None
        if not text:
            unusable((await process.stderr.read()).decode())
        inner = json.loads(text)["child-pid"]
        if before is not None:
            await before(inner)
        os.write(gate, b"1")
        assert await process.stdout.readline() == b"up\n", (await process.stderr.read()).decode()
        yield process.pid, inner
    finally:
        os.close(gate)
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def dialer_to(site: Site, pid: int) -> AsyncIterator[NamespaceDialer]:
    dialer = NamespaceDialer.of(site.helper, pid)
    try:
        yield dialer
    finally:
        await dialer.aclose()


async def ask(dialer: NamespaceDialer, expression: str) -> str:
    loop = asyncio.get_running_loop()
    with await dialer.dial(PORT) as caller:
        assert not caller.getblocking()
        assert not caller.get_inheritable()
        await loop.sock_sendall(caller, expression.encode())
        answer = b""
        while piece := await loop.sock_recv(caller, 4096):
            answer += piece
        return answer.decode()


@scenario
async def a_dialer_reaches_what_listens_inside(site: Site) -> None:
    for uid in (0, 1000):
        async with instance(uid) as (_, pid), dialer_to(site, pid) as dialer:
            assert await ask(dialer, "os.getuid()") == str(uid)
            answers = await asyncio.gather(*(ask(dialer, f"{number} * 2") for number in range(20)))
            assert answers == [str(number * 2) for number in range(20)]


@scenario
async def two_instances_may_use_one_port(site: Site) -> None:
    names = []
    async with instance() as (_, one), instance() as (_, two):
        for pid in (one, two):
            async with dialer_to(site, pid) as dialer:
                names.append(await ask(dialer, "os.readlink('/proc/self/ns/net')"))
    assert len({*names, os.readlink("/proc/self/ns/net")}) == 3


@scenario
async def nobody_listening_is_a_refusal(site: Site) -> None:
    async with instance() as (_, pid), dialer_to(site, pid) as dialer:
        try:
            await dialer.dial(PORT + 7)
        except ConnectionRefusedError:
            assert await ask(dialer, "1") == "1"
        else:
            raise AssertionError("somebody listens")


@scenario
async def a_dead_helper_is_replaced(site: Site) -> None:
    async with instance() as (_, pid), dialer_to(site, pid) as dialer:
        assert await ask(dialer, "1") == "1"
        first = site.helper.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        for _ in range(8):  # more than are kept in stock
            assert await ask(dialer, "1") == "1"
        assert site.helper.pid not in (None, first)


@scenario
async def a_closed_dialer_says_so(site: Site) -> None:
    async with instance() as (_, pid), dialer_to(site, pid) as dialer:
        assert await ask(dialer, "1") == "1"
        await dialer.aclose()
        try:
            await dialer.dial(PORT)
        except OSError as error:
            assert "closed" in str(error)
        else:
            raise AssertionError("it was dialled")


@scenario
async def a_namespace_that_is_not_ours_is_an_error(site: Site) -> None:
    """A process that is gone, and for an ordinary user one that belongs to root."""
    for pid in (1 << 22, *([1] if os.getuid() else [])):
        try:
            NamespaceDialer.of(site.helper, pid)
        except OSError:
            continue
        raise AssertionError(f"the network of {pid} was opened")


@scenario
async def listeners_of_another_network_are_seen(site: Site) -> None:
    async with instance() as (outer, inner):
        expected = [Listener(PORT, False), Listener(PORT + 1, True)]
        assert listening(process_tree(outer)) == expected
        assert listening(process_tree(inner)) == expected
        assert set(process_tree(inner)) <= set(process_tree(outer))


def handles(pids: list[int]) -> list[int]:
    """Of those that still run: what the probe had started may be just about to end."""
    found = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            found.append(os.pidfd_open(pid))
    return found


async def private_network(site: Site) -> PrivateNetwork:
    found = await probe_private(site.helper, site.folder, site.tools)
    return found.network or unusable("; ".join(finding.detail for finding in found.findings))


@scenario
async def a_private_network_reaches_the_hosts_localhost(site: Site) -> None:
    network = await private_network(site)

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"data")
        writer.close()
        await writer.wait_closed()

    for uid in (0, 1000):
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(await asyncio.start_server(answer, "127.0.0.1", 0))
            port = database.sockets[0].getsockname()[1]

            async def attach(pid: int, stack: AsyncExitStack = stack) -> None:
                stack.push_async_callback((await network.attach(pid, own_ports=[PORT])).aclose)

            _, pid = await stack.enter_async_context(instance(uid, attach))
            dialer = await stack.enter_async_context(dialer_to(site, pid))
            assert await ask(dialer, f"reach({network.localhost!r}, {port})") == "data"
            if network.localhost == "127.0.0.1":
                assert await ask(dialer, f"reach('localhost', {port})") == "data"
            routes = await ask(dialer, "open('/proc/net/route').read()")
            assert any(line.split()[1] == "00000000" for line in routes.splitlines()[1:])


@scenario
async def a_port_of_the_instance_is_left_to_it(site: Site) -> None:
    """Somebody on the host listens on the same one, as another instance with the same program may."""
    network = await private_network(site)
    try:
        taken = socket.create_server(("127.0.0.1", PORT))
    except OSError:
        taken = socket.socket()  # somebody does already
    with taken:
        attached = []

        async def attach(pid: int) -> None:
            attached.append(await network.attach(pid, own_ports=[PORT, PORT + 1]))

        async with instance(before=attach) as (_, pid), dialer_to(site, pid) as dialer:
            assert await ask(dialer, "'mine'") == "mine"
            await attached[0].aclose()


@scenario
async def closing_an_attachment_ends_its_tool(site: Site) -> None:
    network = await private_network(site)
    async with instance() as (_, pid):
        attachment = await network.attach(pid, own_ports=[PORT])
        assert site.helper.pid is not None
        started = handles(descendants(site.helper.pid)[1:])
        assert len(started) >= 3  # who keeps it, who stands inside, and the tool
        await attachment.aclose()
        for child in started:
            wait_for_end(child)
        await attachment.aclose()


@scenario
async def nothing_outlives_us(site: Site) -> None:
    """Another process has a helper and an attachment, and is killed."""
    network = await private_network(site)
    async with instance() as (_, pid):
        program = (
            "import asyncio, network_scenarios as here\n"
            f"asyncio.run(here.attach_and_wait({pid}, {str(site.folder)!r}, {site.tools!r}))"
        )  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            started = handles([int(word) for word in (await process.stdout.readline()).split()])
        finally:
            process.kill()
            await process.communicate()
        assert len(started) >= 4, network.tool  # the helper too
        for each in started:
            wait_for_end(each)


async def attach_and_wait(pid: int, folder: str, tools: str | None) -> None:
    helper = NamespaceHelper()
    network = await private_network(Site(helper, Path(folder), tools))
    attachment = await network.attach(pid, own_ports=[PORT])  # ends when nobody holds it
    assert helper.pid is not None
    print(*descendants(helper.pid), flush=True)
    await asyncio.Event().wait()
    await attachment.aclose()


@scenario
async def a_tool_that_fails_is_quoted(site: Site) -> None:
    network = PrivateNetwork("pasta", "/bin/ls", "127.0.0.1", None, site.helper, site.folder)
    missing = PrivateNetwork("slirp4netns", "/no/such/tool", "10.0.2.2", None, site.helper, site.folder)
    async with instance() as (_, pid):
        for tool, words in ((network, "--foreground"), (missing, "/no/such/tool")):
            try:
                await tool.attach(pid)
            except SandboxError as error:
                assert words in str(error), error
            else:
                raise AssertionError("it was attached")


@scenario
async def no_tool_is_a_finding(site: Site) -> None:
    found = await probe_private(site.helper, site.folder, "/no/such/folder")
    assert found.network is None
    (finding,) = found.findings
    assert finding.detail == "pasta is not installed; slirp4netns is not installed"
    assert "install" in finding.lift
    assert not finding.full


async def play(name: str, tools: str | None) -> None:
    helper = NamespaceHelper()
    with tempfile.TemporaryDirectory() as folder:
        try:
            async with asyncio.timeout(60):
                await SCENARIOS[name](Site(helper, Path(folder), tools))
        finally:
            await helper.aclose()
    assert helper.pid is None


if __name__ == "__main__":
    as_program(lambda: asyncio.run(play(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)))
