"""Folders at the speed of another disk: the owner of the program that shows them (docs/profiles.md)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

import emulator
from emulator.model.errors import SandboxError
from emulator.model.speed import Speed
from emulator.sandbox import remains
from emulator.sandbox.folders import RunFolders, make_run_folders
from emulator.sandbox.reaper import Reaper
from emulator.sandbox.spawn import Child, spawn

_START = "import sys; sys.path.insert(0, sys.argv[1]); from emulator.sandbox.throttle.program import main; main()"
_PATIENCE_SECONDS = 5.0
_LIFTS = {
    "fusermount3 is not installed": "sudo apt-get install fuse3",
    "/dev/fuse": "sudo modprobe fuse; a container needs --device /dev/fuse",
    "not permitted": "start the container with --privileged",
}
_OTHERWISE = "docs/profiles.md says what it needs"


class View(Struct, frozen=True):
    """`source` as it is seen at `target`. Who names the same `bucket` shares the bandwidth. `share` tells a share that
    others change too from a disk that is one instance's own, `write` whether it can be changed."""

    source: Path
    target: Path
    speed: Speed
    bucket: str
    share: bool
    write: bool


class Throttle:
    """Made by `open_throttle`. What it shows is gone when it is closed, and when we are killed."""

    def __init__(self, folders: RunFolders, reaper: Reaper, hidden: Sequence[Path]) -> None:
        self._folders = folders
        self._reaper = reaper
        # What is shown must not be in what is shown: the program would wait for itself.
        self._hidden = [*map(str, hidden), str(folders.sockets)]
        self._child: Child | None = None
        self._orders: asyncio.StreamWriter | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._waiting: dict[str, asyncio.Future[str]] = {}

    @property
    def is_over(self) -> bool:
        """Whether no program runs: it was not needed yet, or has died, and what it showed with it."""
        return self._hearing is None or self._hearing.done()

    def place(self, name: str) -> Path:
        """Where something of this name is to be shown: not in the project, or no overlay could be made of its code."""
        return self._folders.sockets / name

    async def show(self, views: Iterable[View], *, others: bool) -> None:
        """Mount them, all or none; `others` lets users in that are not ours. Raises `SandboxError`."""
        views = [*views]
        if self.is_over:
            await self._start()
        answers = await asyncio.gather(*(self._show(view, others) for view in views))
        failed = [(view, error) for view, error in zip(views, answers, strict=True) if error]
        if failed:
            self.hide(view.target for view in views)
            view, error = failed[0]
            lift = next((lift for word, lift in _LIFTS.items() if word in error), _OTHERWISE)
            raise SandboxError(f"{view.source} can not be shown at {view.speed}: {error}", lift)

    def hide(self, targets: Iterable[Path]) -> None:
        """Take them away; who still has a file of them open keeps it."""
        for target in targets:
            self._tell({"unmount": str(target)})

    async def aclose(self) -> None:
        await self._end()
        empty = await asyncio.to_thread(remains.unmount_below, str(self._folders.sockets))
        if empty:  # else these folders are not ours to remove, but those that are shown there
            await self._folders.aclose()
        await self._reaper.aclose()  # last: where this is broken off, it does the rest

    async def _end(self) -> None:
        """The program ends when it hears no more of us, and takes away what it has mounted."""
        if self._orders is not None:
            self._orders.close()
            with contextlib.suppress(OSError):
                await self._orders.wait_closed()
        if self._child is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._child.exited), _PATIENCE_SECONDS)
            self._child.kill_group()
            await self._child.exited
            self._reaper.forget(self._child.pid)
        if self._hearing is not None:
            await self._hearing

    async def _start(self) -> None:
        await self._end()
        ours, theirs = socket.socketpair()
        home = str(Path(emulator.__file__).parent.parent)
        mark, _, run = self._folders.mark.partition("=")
        with theirs:
            self._child = spawn(
                asyncio.get_running_loop(),
                [sys.executable, "-I", "-S", "-c", _START, home],
                {"PATH": os.environ.get("PATH", os.defpath), mark: run},
                {0: theirs.fileno()},
            )
        self._reaper.watch(self._child.pid)
        reader, self._orders = await asyncio.open_connection(sock=ours)
        self._hearing = asyncio.create_task(self._hear(reader))

    async def _show(self, view: View, others: bool) -> str:
        target = str(view.target)
        view.target.mkdir(mode=0o755)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[target] = answer
        self._tell(
            {
                "target": target, "source": str(view.source), "bucket": view.bucket, "rate": view.speed.rate,
                "latency": view.speed.latency, "write": view.write, "keep": not view.share, "others": others,
                "hidden": self._hidden,
            }
        )  # fmt: skip
        try:
            return await answer
        finally:
            del self._waiting[target]

    def _tell(self, order: object) -> None:
        if self._orders is not None and not self._orders.is_closing():
            self._orders.write(f"{json.dumps(order)}\n".encode())

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            async for line in reader:
                told = json.loads(line)
                waiting = self._waiting.get(told["target"])
                if waiting is not None and not waiting.done():
                    waiting.set_result(told["error"])
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result("the program that shows it has ended")


def open_throttle(state_dir: Path) -> Throttle:
    """For the folders of a project whose `.fclocal` is `state_dir`, which is not shown. Raises `SandboxError`."""
    folders = make_run_folders(state_dir, os.environ)
    folders.remember_groups(())
    loop = asyncio.get_running_loop()
    reaper = Reaper(loop, folders.run, (), (folders.sockets, folders.root))
    return Throttle(folders, reaper, [state_dir.resolve()])
