"""One instance under test: a program that runs what it is told, so that a test says what happens inside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from emulator.model.launch import Access, Launch, Mount, TcpEndpoint, UnixEndpoint
from emulator.sandbox.base import Walls

PYTHON = "/usr/bin/python3"
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_CTYPE": "C.UTF-8"}
PATIENCE = 60.0

Scenario = Callable[[Walls, Path], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(run: Scenario) -> Scenario:
    SCENARIOS[run.__name__] = run
    return run


COUNTERS = """
COUNT = '''
import sys, time
with open(sys.argv[1], "wb", 0) as out:
    n = 0
    while True:
        n += 1
        out.seek(0)
        out.write(b"%d" % n)
        time.sleep(0.005)
'''
def start(name, **how):
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", COUNT, where + "/" + name, token], **how)
def count_here():
    n = 0
    with open(where + "/thread", "wb", 0) as out:
        while True:
            n += 1
            out.seek(0)
            out.write(b"%d" % n)
            time.sleep(0.005)
start("child")
start("setsid", start_new_session=True)
threading.Thread(target=count_here, daemon=True).start()
"""

# In place of the descriptor, where walls hand none to the program.
INHERITED = "socket.socket(fileno=3)"
BOUND = """(lambda it: (os.umask(0), it.bind("/run/fclocal/w.sock"), it.listen(64), it)[-1])(
    socket.socket(socket.AF_UNIX))"""

# Runs each line of JSON text that it gets, and answers with the variable `answer`.
SERVER = """
import ctypes, errno, json, os, signal, socket, subprocess, sys, threading, time
listening = socket.socket(fileno=3)
while True:
    caller, _ = listening.accept()
    for line in caller.makefile("rb"):
        answer = None
        exec(json.loads(line))
        caller.sendall(json.dumps(answer).encode() + b"\\n")
"""


class Box:
    """A started instance. `shared` is a folder that both sides write to, `inside` how the instance names it."""

    def __init__(self, walls: Walls, place: Path, **changes: Any) -> None:
        self.walls = walls
        self.lines: list[bytes] = []
        self.token = f"token-{secrets.token_hex(6)}"
        self.shared, self.code = place / "shared", place / "code"
        for folder in (self.shared, self.code):
            folder.mkdir(exist_ok=True)
        self.inside = "/mnt/shared" if walls.mounts else str(self.shared)
        self.sandbox = walls.sandbox(f"c-{secrets.token_hex(4)}", self._launch(changes), self.lines.append)
        self._changes = changes
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def another(self) -> Any:
        """One more of the same launch, not started."""
        name = f"c-{secrets.token_hex(4)}"
        if hasattr(self.sandbox, "sibling"):
            return self.sandbox.sibling(name)
        return self.walls.sandbox(name, self._launch(self._changes), self.lines.append)

    def _launch(self, changes: dict[str, Any]) -> Launch:
        mounts = (
            Mount((self.code,), "/code", Access.OVERLAY),
            Mount((self.shared,), "/mnt/shared", Access.WRITE),
        )
        # As `compose` does it for walls that can not mount: the host's own paths.
        in_place = tuple(Mount((folder,), str(folder), Access.WRITE) for folder in (self.code, self.shared))
        values: dict[str, Any] = {
            "env": ENV,
            "cwd": "/code" if self.walls.mounts else str(self.code),
            "endpoint": UnixEndpoint("/run/fclocal/w.sock"),
            "mounts": mounts if self.walls.mounts else in_place,
            "hostname": "c-test",
            "memory_mb": 256,
        }
        program = changes.pop("program", SERVER)
        if not self.walls.inherits:
            program = program.replace(INHERITED, BOUND)
        values["argv"] = (PYTHON, "-I", "-S", "-c", program, self.token)
        extra = changes.pop("extra_mounts", ())
        if self.walls.mounts:
            values["mounts"] = (*mounts, *extra)
        return Launch(**values | changes)

    async def ask(self, code: str) -> Any:
        if self._stream is None:
            self._stream = await self._connect()
        reader, writer = self._stream
        writer.write(json.dumps(code).encode() + b"\n")
        answer = await asyncio.wait_for(reader.readline(), PATIENCE)
        if not answer:
            raise ConnectionResetError(b"\n".join(self.lines[-20:]).decode(errors="replace"))
        return json.loads(answer)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        dialled = await self.dial()
        is_unix = dialled.family == socket.AF_UNIX
        return await (asyncio.open_unix_connection(sock=dialled) if is_unix else asyncio.open_connection(sock=dialled))

    async def dial(self) -> socket.socket:
        """A program that listens by itself, on TCP, is not ready at once."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    return await self.sandbox.dial()
                except ConnectionRefusedError:
                    if self.sandbox.exited.done() or not isinstance(self.sandbox.launch.endpoint, TcpEndpoint):
                        raise
                    await asyncio.sleep(0.01)

    async def hang_up(self) -> None:
        if self._stream is not None:
            self._stream[1].close()
            with contextlib.suppress(OSError):
                await self._stream[1].wait_closed()
            self._stream = None

    def host_pids(self) -> list[int]:
        """Processes of this instance that the host sees, by a word on their command line."""
        apart = getattr(self.walls, "apart", frozenset())
        return [pid for pid in pids_with(self.token) if pid not in apart and not is_template(pid)]


@contextlib.asynccontextmanager
async def box(walls: Walls, place: Path, **changes: Any) -> AsyncIterator[Box]:
    made = Box(walls, place, **changes)
    try:
        await made.sandbox.start()
        yield made
    finally:
        await made.hang_up()
        await made.sandbox.aclose()


async def ended(made: Box) -> Any:
    return await asyncio.wait_for(asyncio.shield(made.sandbox.exited), PATIENCE)


async def until(what: Callable[[], Any]) -> None:
    """Wait until `what` holds; an AssertionError tells when it never did."""
    async with asyncio.timeout(PATIENCE):
        while not what():
            await asyncio.sleep(0.01)


def pids_with(word: str) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError):
                if word.encode() in Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0"):
                    found.append(int(name))
    return found


def is_template(pid: int) -> bool:
    """Forks show an environment of their own."""
    try:
        return b"FCLOCAL_TEMPLATE=" in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def leftovers(place: Path) -> list[str]:
    run = place / "state" / "run"
    sockets = [Path(path.read_text()) for path in run.glob("*/sockets")]
    groups = [Path(line) for path in run.glob("*/cgroups") for line in path.read_text().splitlines()]
    return sorted(
        str(found) for root in [run, *sockets, *groups] for found in root.glob("*/*" if root == run else "*/")
    )
