"""An instance as something to debug: its processes whose inspector has come, and how it is let in."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import shutil
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from emulator.debug.cdp_link import Link
from emulator.debug.cdp_session import Target
from emulator.debug.cdp_urls import Message, UrlMap, file_url
from emulator.instance.control import Control, ControlError
from emulator.instance.instance import Instance
from emulator.model.errors import FclocalError
from emulator.model.lifecycle import State
from emulator.runtime.injection import NODE_HOME
from emulator.runtime.spec import builtin_dir

LANGUAGE = "node"
# Ids of runtimes whose bootstrap is a Node.js program.
BOOTSTRAPS = "nodejs"
# An idle instance needs 2 ms, with a fifth of a CPU 70; longer takes one whose loop is busy, which is then interrupted.
ANSWER_SECONDS = 1.0
# Until one that was started, asked or interrupted has dialled.
DIAL_SECONDS = 5.0
# One whose main thread is held up for longer than this is let in when it is asked the next time.
PATIENCE_SECONDS = 600.0
# What interrupt.js needs to know.
OURS = ("FCLOCAL_DEBUG", "FC_INSTANCE_ID")
# What it ends with where another process listens on the port that every inspector opens on.
PORT_TAKEN = 3
PORT_IS_TAKEN = (
    "{}: port 9229, on which an inspector opens for a moment, is taken by another program; "
    "end that one, or `fclocal start --debug`, and attach again"
)
ASLEEP = frozenset({State.FREEZING, State.FROZEN})


class Debuggee:
    """`id` is its address, whether or not its inspector is open; `title` is shown."""

    def __init__(self, instance: Instance, title: str) -> None:
        launch = instance.sandbox.launch
        self.instance = instance
        self.title = title
        self.id = secrets.token_hex(16)
        self.targets: list[Target] = []
        self.retired = False
        # It runs, though it is still called frozen.
        self.thawed = False
        self.urls = UrlMap(launch.mounts, launch.copies)
        # A program has been searched, for this editor, for processes of Node.js that were started when none was there.
        self.searched = False
        self._came = asyncio.Event()
        self._leaving: asyncio.Task[None] | None = None
        self._introduced: asyncio.Future[Control] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return f"<Debuggee {self.title} {self.targets}>"

    @property
    def code_url(self) -> str:
        """What it runs, on the host."""
        return str(self.urls.outward({"url": file_url(self.instance.sandbox.launch.cwd)})["url"])

    @property
    def has_bootstrap(self) -> bool:
        """Whether it can be asked, and is asked before it loads user code. A program is not, and waits by itself."""
        return self.instance.revision.function.runtime.startswith(BOOTSTRAPS)

    @property
    def asleep(self) -> bool:
        return self.instance.state in ASLEEP and not self.thawed

    def add(self, hello: Message, transport: asyncio.Transport, gone: Callable[[Target], None]) -> Target | None:
        """A process has dialled; None where it is here already."""
        if any(it.link.pid == hello.get("pid") for it in self.targets):
            return None
        link = Link(hello, transport)
        target = Target(link, *self._named(link), self.urls, file_url(f"{link.home}/"), self._moved)
        target.retired = self.retired
        link.on_gone = functools.partial(self._remove, target, gone)
        self.targets.append(target)
        self._came.set()
        return target

    def _named(self, link: Link) -> tuple[str, str]:
        """Address and name of a process: the first has those of its instance."""
        if not self.targets:
            return self.id, self.title
        program = f" {PurePosixPath(link.script).name}" if link.script else ""
        return secrets.token_hex(16), f"{self.title}{program} ({link.pid})"

    def _remove(self, target: Target, gone: Callable[[Target], None]) -> None:
        if target not in self.targets:
            return
        self.targets.remove(target)
        if not self.targets:
            self._came.clear()
        gone(target)

    def _moved(self, target: Target) -> None:
        """Time stands still for an instance as long as one of its processes stands."""
        if any(it.paused for it in self.targets):
            self.instance.pause(LANGUAGE)
        else:
            self.instance.resume(LANGUAGE, stepping=target.stepping)

    # --- letting in ---

    def said_hello(self, control: Control) -> None:
        if control.language == LANGUAGE and not self._introduced.done():
            self._introduced.set_result(control)

    def let_go(self) -> None:
        """Nobody looks any more, and its inspector costs memory. A program's is kept: it could not be asked again."""
        if self.has_bootstrap and self.targets and self._leaving is None:
            self._leaving = asyncio.get_running_loop().create_task(self._leave(self.targets[0]))

    async def _leave(self, target: Target) -> None:
        try:
            await self._introduced.result().ask("detach", PATIENCE_SECONDS)
            target.link.on_gone()
            target.link.close()
        except ControlError:
            pass  # it has gone altogether
        finally:
            self._leaving = None

    async def invite(self) -> None:
        """Ask for its inspector. Returns when that has come, or does not come in time."""
        if self._leaving is not None:
            await asyncio.wait([self._leaving], timeout=ANSWER_SECONDS)
        if self.targets or self.asleep:
            return
        self.instance.debugged = True
        if self.has_bootstrap:
            await self._ask()
        elif self.instance.state is not State.STARTING:
            await self._search()

    async def _ask(self) -> None:
        either: set[asyncio.Future[Any]] = {self._introduced, self.instance.sandbox.exited}
        await asyncio.wait(either, timeout=DIAL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not self._introduced.done():
            return
        control = self._introduced.result()
        asked = asyncio.ensure_future(control.ask("attach", PATIENCE_SECONDS))
        done, _ = await asyncio.wait([asked], timeout=ANSWER_SECONDS)
        asked.add_done_callback(self._answered)
        if not done:
            await self._interrupt_bootstrap(control)
        elif asked.exception() is not None:
            return
        await self._has_come(DIAL_SECONDS)

    async def _has_come(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._came.wait()

    def _answered(self, asked: asyncio.Future[Message]) -> None:
        error = None if asked.cancelled() else asked.exception()
        if isinstance(error, ControlError) and not self.instance.ended:
            self.instance.journal.notice(str(error), function=self.instance.function)

    async def _interrupt_bootstrap(self, control: Control) -> None:
        """It is asked, and does not listen."""
        interpreter, *_, script = self.instance.sandbox.launch.argv
        await self._interrupt(interpreter, str(PurePosixPath(script).parent), str(control.pid))

    async def _search(self) -> None:
        """Again, where another editor has come meanwhile."""
        while not self.searched and not self.targets:
            self.searched = True
            await self._interrupt_program()

    async def _interrupt_program(self) -> None:
        """Whatever Node.js it has started; mostly none, where it speaks another language."""
        if not any(map(_may_be_node, self.instance.sandbox.members())):
            return  # an image without Node.js would complain in the function's log
        if not self.urls.empty:
            await self._interrupt("node", NODE_HOME)
        elif (interpreter := shutil.which("node")) is not None:
            # Not the one that the function's PATH would find, since this runs outside of the walls.
            await self._interrupt(interpreter, str(builtin_dir() / "nodejs"))
        await self._has_come(ANSWER_SECONDS)

    async def _interrupt(self, interpreter: str, home: str, *arguments: str) -> None:
        """By a program beside it (runtimes/nodejs/interrupt.js)."""
        if self.asleep or self.instance.ended:
            return
        argv = (interpreter, f"{home}/interrupt.js", *arguments)
        with contextlib.suppress(FclocalError, TimeoutError, OSError):
            if await self._ran(argv) == PORT_TAKEN:
                self.instance.journal.notice(PORT_IS_TAKEN.format(self.title), function=self.instance.function)

    async def _ran(self, argv: Sequence[str]) -> int | None:
        """What it ended with. Raises `FclocalError`, `TimeoutError` and `OSError`."""
        if not self.urls.empty:
            return (await self.instance.sandbox.run(argv, DIAL_SECONDS)).code
        # Walls that can not mount keep what runs beside it from it, and have the host's paths and processes. Nothing
        # that the function says is heeded there.
        env = self.instance.sandbox.launch.env
        return await _run(argv, {name: env[name] for name in env if name.startswith(OURS)}, DIAL_SECONDS)


def _may_be_node(pid: int) -> bool:
    """Its file tells, where we may see that, or else its name, which a program can change."""
    process = Path("/proc", str(pid))
    try:
        return (process / "exe").readlink().name.startswith("node")
    except PermissionError:
        with contextlib.suppress(OSError):
            words = (process / "comm").read_text(), (process / "cmdline").read_bytes().decode(errors="replace")
            return any(PurePosixPath(word.partition("\0")[0]).name.startswith(("node", "next")) for word in words)
    except OSError:
        return sys.platform != "linux"  # it has ended
    return False


async def _run(argv: Sequence[str], env: Mapping[str, str], timeout: float) -> int:
    """A program of ours as a process of ours, to its end. Raises `TimeoutError` and `OSError`."""
    process = await asyncio.create_subprocess_exec(*argv, env=env, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
    try:
        async with asyncio.timeout(timeout):
            return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
