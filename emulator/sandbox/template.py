"""A template: a process behind walls of its own from which instances are forked (docs/zygote.md)."""

from __future__ import annotations

import array
import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from emulator.model.errors import SandboxError
from emulator.model.launch import Exit, Launch, Start
from emulator.sandbox.base import LogSink
from emulator.sandbox.folders import InstanceFolders
from emulator.sandbox.forked import ForkedSandbox
from emulator.sandbox.ground import Ground
from emulator.sandbox.pages import Pages
from emulator.sandbox.parking import Parking, unheard
from emulator.sandbox.process import ProcessSandbox
from emulator.sandbox.rung import Plan
from emulator.sandbox.spawn import memory_file

# By this the bootstrap knows that it is one; the rest is room for the environments of its forks to be shown in.
_MARK, _ROOM = "FCLOCAL_TEMPLATE", 4096
_REPORT_BYTES = 64 * 1024 * 1024
_WORDS_KEPT = 20


class TemplateRefused(SandboxError):
    """No template can be had for what was to be loaded; the message says why."""


class _TemplateSandbox(ProcessSandbox):
    def _plan(self, folders: InstanceFolders) -> Plan:
        return self._ground.rung.template(self._launch, folders, self._group.folders, self._bounds())


class Template:
    """Made by `walls.ProcessWalls`, which owns it until `aclose`.

    `launch` is that of an instance, and all instances are forked with the same limits; `preload` is what is to be
    loaded, see `preload.py` of the bootstrap. Up to as many spares as `keep` says are parked ahead of time.
    """

    def __init__(
        self,
        ground: Ground,
        name: str,
        launch: Launch,
        preload: Mapping[str, Any],
        forget: Callable[[ProcessSandbox], None],
        closed: Callable[[Template], None],
    ) -> None:
        self.name = name
        self._ground = ground
        self._launch = launch
        self._preload = preload
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._words: list[str] = []
        env = {**launch.env, _MARK: "x" * _ROOM}
        unlimited = replace(launch, env=env, memory_mb=None, cpu=None, disk_mb=None)
        self._sandbox = _TemplateSandbox(ground, name, unlimited, self._hear, forget)
        self._connection: socket.socket | None = None
        self._forks: set[ProcessSandbox] = set()
        self.pages: Pages | None = None
        self._pages_of: str | None = None
        self._learning: asyncio.Task[None] | None = None
        self._parking = Parking(self._spare)
        self._ending: asyncio.Task[None] | None = None
        self._retired = False
        self.report: Mapping[str, Any] = {}

    @property
    def folders(self) -> InstanceFolders:
        if self._sandbox.folders is None:
            raise SandboxError(f"{self.name} does not run")
        return self._sandbox.folders

    @property
    def exited(self) -> asyncio.Future[Exit]:
        return self._sandbox.exited

    async def start(self) -> None:
        """Start it and let it load what it is to load. Raises `TemplateRefused` where its forks would not live, and
        `SandboxError`; it is closed then."""
        try:
            await self._sandbox.start()
            connection = self._connection = await self._sandbox.dial()
            self._send_order(connection)
            self.report = await self._read_report(connection)
            if "refused" in self.report:
                raise TemplateRefused(str(self.report["refused"]))
            if "names" not in self.report:  # it must begin anew, see `preload.load` of the bootstrap
                await self.aclose()
        except OSError as error:
            await self.aclose()
            raise TemplateRefused(f"it could not be spoken to: {error}") from error
        except BaseException:
            await self.aclose()
            raise

    def fork(self, fds: Sequence[int]) -> None:
        if self._connection is None:
            raise ConnectionResetError(f"{self.name} is gone")
        self._connection.sendmsg([b"f"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])

    # --- instances ---

    @property
    def alive(self) -> bool:
        """Whether it can be forked from now."""
        return self._connection is not None and not self._retired and not self.exited.done()

    @property
    def in_use(self) -> bool:
        """Whether an instance of it is alive, spares not counted."""
        return len(self._forks) > len(self._parking)

    def reserve(self) -> str | None:
        """The name of a spare, which is kept for `sandbox`; None where none is parked."""
        return self._parking.reserve()

    def give_back(self, name: str) -> None:
        """What was reserved is not wanted after all."""
        self._parking.give_back(name)

    def start_of(self, name: str) -> Start:
        return Start.SPARE if self._parking.is_reserved(name) else Start.FORK

    def sandbox(self, name: str, launch: Launch, logs: LogSink) -> ForkedSandbox:
        """Walls for an instance that is forked from this, or was, if `name` is reserved."""
        spare = self._parking.take(name)
        if spare is not None:
            spare.adopt(launch, logs)
            return spare
        return self._made(name, launch, logs)

    def keep(self, count: int, new_name: Callable[[], str]) -> None:
        """Park this many spares, now and whenever one was taken. Each is an instance's walls by its name."""
        self._parking.keep(count, new_name)

    def learn(self, name: str, kind: str) -> asyncio.Task[None] | None:
        """An instance of this name has just answered for the first time: spares have the pages that it has come to use.
        `kind` is what tells instances apart of which some use more."""
        fork = next((fork for fork in self._forks if fork.name == name), None)
        if isinstance(fork, ForkedSandbox) and not self._retired and self._learning is None and kind != self._pages_of:
            self._learning = self._loop.create_task(self._learn(fork, kind))
        return self._learning

    async def _learn(self, fork: ForkedSandbox, kind: str) -> None:
        try:
            self.pages = await fork.pages()
            self._pages_of = kind
            for spare in self._parking:
                spare.have(self.pages)
        except ProcessLookupError:
            pass  # the next one is asked
        except OSError:
            self._pages_of = kind  # its user may not look, and spares do without
        finally:
            self._learning = None

    def retire(self) -> None:
        """Fork no more, and end when the last fork has."""
        self._retired = True
        self._parking.close()
        self._end_when_unused()

    async def aclose(self) -> None:
        """End it, and all forks. May be called twice."""
        self._retired = True
        self._parking.close()
        await asyncio.gather(*(fork.aclose() for fork in [*self._forks]))
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        await self._sandbox.aclose()
        await self._parking.aclose()
        if self._learning is not None:
            await asyncio.wait([self._learning])
        if self._ending is not None and self._ending is not asyncio.current_task():
            await asyncio.wait([self._ending])
        self._closed(self)

    def _spare(self, name: str) -> ForkedSandbox:
        return self._made(name, replace(self._launch, hostname=name), unheard)

    def _made(self, name: str, launch: Launch, logs: LogSink) -> ForkedSandbox:
        made = ForkedSandbox(self._ground, name, launch, logs, self._gone, self)
        self._forks.add(made)
        return made

    def _gone(self, fork: ProcessSandbox) -> None:
        self._forks.discard(fork)
        if self._retired:
            self._end_when_unused()

    def _end_when_unused(self) -> None:
        if not self._forks and self._connection is not None and self._ending is None:
            self._ending = self._loop.create_task(self.aclose())

    # --- the conversation ---

    def _send_order(self, connection: socket.socket) -> None:
        order = {**self._ground.rung.template_order(self._launch), **self._preload}
        content = memory_file("fclocal", json.dumps(order, ensure_ascii=False).encode("utf-8", "surrogateescape"))
        try:
            connection.sendmsg([b"o"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [content]))])
        finally:
            os.close(content)

    async def _read_report(self, connection: socket.socket) -> Mapping[str, Any]:
        """Lines: `i` and what is about to be imported, at last `r` and the report."""
        importing, kept = "", b""
        while len(kept) < _REPORT_BYTES:
            *lines, kept = kept.split(b"\n")
            for line in lines:
                if line[:1] == b"r":
                    return _parsed(line[1:])
                importing = line[1:].decode("utf-8", "replace")
            piece = await self._loop.sock_recv(connection, 65536)
            if not piece:
                raise TemplateRefused(await self._last_words(importing))
            kept += piece
        raise TemplateRefused("what it told had no end")

    async def _last_words(self, importing: str) -> str:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.exited), 5.0)
        said = f": {'; '.join(self._words[-3:])}" if self._words else ""
        where = f" while it imported {importing}" if importing else ""
        return f"the template ended{where}{said}"

    def _hear(self, line: bytes) -> None:
        """What libraries say when they are imported is told by an instance that imports them itself."""
        self._words = [*self._words[-_WORDS_KEPT:], line.decode("utf-8", "replace")]


def _parsed(text: bytes) -> Mapping[str, Any]:
    try:
        report = json.loads(text)
    except ValueError as error:
        raise TemplateRefused("what it told can not be read") from error
    return report if isinstance(report, dict) else {}
