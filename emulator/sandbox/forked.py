"""One instance that is forked from a template: the life of any other, but for its beginning."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from emulator.model.errors import SandboxError
from emulator.model.launch import Launch
from emulator.sandbox import proctree
from emulator.sandbox.base import LogSink
from emulator.sandbox.folders import InstanceFolders
from emulator.sandbox.fork import Fork
from emulator.sandbox.ground import Ground
from emulator.sandbox.pages import Pages, used
from emulator.sandbox.process import ProcessSandbox
from emulator.sandbox.rung import ForkPlan


class Parent(Protocol):
    """The template, as far as its forks look at it."""

    @property
    def folders(self) -> InstanceFolders: ...

    @property
    def pages(self) -> Pages | None:
        """Those that its forks come to use, if that is known."""
        ...

    def fork(self, fds: Sequence[int]) -> None:
        """Fork; the fds are its channel, its log, and where it listens if that is ours to make. Raises `OSError`."""
        ...


class ForkedSandbox(ProcessSandbox):
    """See `base.Sandbox`. It may be parked ahead of time, and is then adopted by the launch that it is started with."""

    def __init__(
        self,
        ground: Ground,
        name: str,
        launch: Launch,
        logs: LogSink,
        forget: Callable[[ProcessSandbox], None],
        parent: Parent,
    ) -> None:
        super().__init__(ground, name, launch, logs, forget)
        self._parent = parent
        self._fork: Fork | None = None
        self._order: ForkPlan | None = None

    @property
    def parked(self) -> bool:
        return self._order is not None and not self._exited.done()

    async def park(self) -> None:
        """Fork, and build all of the walls that does not depend on code. Raises `SandboxError`, and then closes
        itself."""
        await self._or_close(self._park_ahead())

    async def pages(self) -> Pages:
        """Those of its main process by now. Raises `OSError`."""
        main = self._main()
        found = await asyncio.to_thread(used, main) if main is not None else None
        if found is None or self._exited.done():  # the number may be another's
            raise ProcessLookupError(f"{self.name} has ended")
        return found

    def have(self, pages: Pages) -> None:
        """While it is parked: pages that an instance comes to use are to be its own from now on."""
        if self._fork is not None:
            with contextlib.suppress(OSError):  # it has just ended, which is told otherwise
                self._fork.order({"pages": pages.order()})

    def adopt(self, launch: Launch, logs: LogSink) -> None:
        """From now on it is to be an instance of this launch, which differs from the one that it was parked with in
        nothing but its environment and its code."""
        self._launch, self._sink = launch, logs

    async def _start(self) -> None:
        if self._order is None:
            await self._park()
        order, fork = self._order, self._fork
        if order is None or fork is None or fork.exited.done():
            raise SandboxError(f"{self.name} ended before it was started")
        own = {
            "env": {**self._launch.env, **order.marks},
            "cwd": self._launch.cwd,
            "file_kb": self._bounds().file_kb,
        }
        fork.order({**order.finish, **own})
        await fork.built()
        self._upkeep.start(self._launch, order.disk, limits=self._ground.limits)

    async def _park_ahead(self) -> None:
        await self._park()
        pages = self._parent.pages
        # Not before it has joined its control group, which they are charged to.
        if pages is not None:
            self.have(pages)

    async def _park(self) -> None:
        self._ground.networks.require(self._launch.network)
        folders = self._parent.folders.fork(self.name)
        self._furnish(folders)
        order = self._ground.rung.fork(self._launch, folders, self._bounds())
        self._overlays = order.overlays
        fork = self._fork = self._child = Fork(self._loop)
        self._tasks.append(self._loop.create_task(self._wait(fork)))
        self._send_for(fork)
        fork.order(order.prepare)
        await fork.introduced()
        self._init = fork.first
        self._ground.census.enroll(fork.pid, folders.mark)
        self._ground.reaper.watch(fork.pid)
        await asyncio.to_thread(_join, self._group.folders, self._roots())
        if fork.first is not None:
            await self._hold(fork.first.pid, fork.pid)
        self._order = order

    def _send_for(self, fork: Fork) -> None:
        if self._logs is None:
            raise SandboxError(f"{self.name} is closed")
        with self._listener() as listening:
            self._parent.fork((fork.theirs, self._logs.write_fd, *listening))
        fork.given()

    def _main(self) -> int | None:
        if self._fork is None or not self._fork.pid or self._fork.exited.done():
            return None
        return self._fork.pid

    def _roots(self) -> Sequence[int]:
        main = self._main()
        first = [self._fork.first.pid] if self._fork is not None and self._fork.first is not None else []
        return [main, *first] if main is not None else first

    def _inside(self, init: int) -> Iterable[int]:
        """The main process is not a child of the first one, which has those that lost their parents."""
        main = self._main()
        if main is not None:
            yield main
            yield from proctree.walk(main)
        yield from proctree.walk(init)

    async def _remove(self) -> None:
        if self._fork is not None:
            self._fork.close()
        await super()._remove()


def _join(groups: Sequence[str], pids: Sequence[int]) -> None:
    """In a thread: the first move after a pause waits 5-16 ms in the kernel. Raises `OSError`."""
    for group in groups:
        for pid in pids:
            fd = os.open(f"{group}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
            try:
                with contextlib.suppress(ProcessLookupError):
                    os.write(fd, str(pid).encode())
            finally:
                os.close(fd)
