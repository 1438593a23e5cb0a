"""One instance as a container, from start to removal: what is the same wherever the engine runs its containers.

`sandbox.ContainerSandbox` is near: on our kernel. `apart.ApartSandbox` is in another one, such as a virtual machine.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Generic, TypeVar

from emulator.model.errors import SandboxError
from emulator.model.launch import Exit, Launch
from emulator.sandbox.base import LogSink
from emulator.sandbox.container.container import Container
from emulator.sandbox.container.entry import exit_of
from emulator.sandbox.container.ground import ContainerGround
from emulator.sandbox.container.recipe import Json
from emulator.sandbox.folders import InstanceFolders

G = TypeVar("G", bound=ContainerGround)


class ContainerLife(ABC, Generic[G]):
    """See `base.Sandbox`. Made by walls of containers, which own it until `aclose`."""

    def __init__(
        self, ground: G, name: str, launch: Launch, logs: LogSink, forget: Callable[[ContainerLife[G]], None]
    ) -> None:
        self.name = name
        self._ground = ground
        self._launch = launch
        self._sink = logs
        self._forget = forget
        self._loop = asyncio.get_running_loop()
        self._exited: asyncio.Future[Exit] = self._loop.create_future()
        self._folders: InstanceFolders | None = None
        self._creating: asyncio.Task[Container] | None = None
        self._container: Container | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._started: asyncio.Future[None] | None = None

    @property
    def launch(self) -> Launch:
        return self._launch

    @property
    def exited(self) -> asyncio.Future[Exit]:
        return self._exited

    async def start(self) -> None:
        started = self._started = self._loop.create_future()
        try:
            await self._start()
        except OSError as error:
            self.close_soon()
            raise SandboxError(f"The walls of {self.name} could not be built: {error}", "fclocal doctor") from error
        except BaseException:
            self.close_soon()
            raise
        finally:
            started.set_result(None)

    @abstractmethod
    async def _start(self) -> None:
        """Raises `SandboxError`, `OSError`."""

    async def _create(self, config: Json, volumes: list[Json]) -> Container:
        """It is removed at the end, whoever gives this up."""
        self._require_wanted()
        creating = self._creating = self._loop.create_task(
            Container.create(self._ground.engine, f"fclocal-{self.name}", config, volumes)
        )
        container = self._container = await asyncio.shield(creating)
        self._require_wanted()
        return container

    def _require_wanted(self) -> None:
        """Raises `SandboxError` where it was closed meanwhile, which waits for the start before it removes all."""
        if self._closing is not None:
            raise SandboxError(f"{self.name} was given up before it was started")

    def _hear(self, line: bytes) -> None:
        self._sink(line)

    # --- the end ---

    @abstractmethod
    async def kill(self) -> Exit: ...

    def close_soon(self) -> asyncio.Task[None]:
        """As `aclose`, which waits for it."""
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        return self._closing

    async def aclose(self) -> None:
        await asyncio.shield(self.close_soon())

    async def _close(self) -> None:
        try:
            await self.kill()
            if self._started is not None:
                await asyncio.wait([self._started])
            await self._settle()
            if self._waiting is not None:
                await self._waiting
        finally:
            await self._remove()
            self._forget(self)

    async def _settle(self) -> None:
        """Let go of what looks after it while it runs."""

    async def _remove(self) -> None:
        for task in [*self._tasks]:
            task.cancel()
        await self._let_go()
        if self._creating is not None:
            await self._remove_container(self._creating)
        if self._folders is not None:
            await self._folders.aclose()

    async def _let_go(self) -> None:
        """Close what leads into it."""

    async def _remove_container(self, creating: asyncio.Task[Container]) -> None:
        with contextlib.suppress(SandboxError):  # told already, where it was created
            container = await creating
            self._ground.unremoved.append(container)
            await self._ground.remove_rest()

    def _end(self, how: Exit) -> None:
        if not self._exited.done():
            self._exited.set_result(how)

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(task := self._loop.create_task(work))
        task.add_done_callback(self._tasks.discard)


def exit_by(state: Mapping[str, Any]) -> Exit | None:
    """How it ended, by the engine's word."""
    return exit_of(f"{state['ExitCode']} 0")
