"""One instance as a container. The engine makes, starts and removes it; all between goes without the engine.

The program is reached by a socket in a shared folder, its output comes through a pipe there, its end is seen by a
pidfd, and it stands still by its own freezer. So an engine that dies takes no answer along (sandbox.md §6.3).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec.structs import replace

from emulator.model.errors import SandboxError
from emulator.model.launch import Exit, Launch, Network, TcpEndpoint, UnixEndpoint, Usage
from emulator.sandbox import proctree
from emulator.sandbox.base import Listener, LogSink
from emulator.sandbox.container import labels, place, recipe
from emulator.sandbox.container.cards import cards_of
from emulator.sandbox.container.container import Container
from emulator.sandbox.container.entry import EXIT, LOG, exit_of
from emulator.sandbox.container.ground import NearGround
from emulator.sandbox.container.images import image_of
from emulator.sandbox.container.life import ContainerLife, exit_by
from emulator.sandbox.container.reach import Reach, dial_when_there
from emulator.sandbox.container.stillness import Stillness
from emulator.sandbox.container.sweeper import remove_foreign
from emulator.sandbox.container.watched import Watched
from emulator.sandbox.groups import Group
from emulator.sandbox.listeners import listening, listening_around
from emulator.sandbox.logs import LogPipe, named_pipe
from emulator.sandbox.overlay import Overlay
from emulator.sandbox.upkeep import Upkeep

_NOBODY = Exit(code=None)
_KILLED = Exit(code=None, signal=signal.SIGKILL)
_LOOKS, _LOOK_SECONDS = 100, 0.02
_OOM_SECONDS = 0.25


class ContainerSandbox(ContainerLife[NearGround]):
    """See `base.Sandbox`. Made by `walls.ContainerWalls`, which owns it until `aclose`."""

    def __init__(
        self, ground: NearGround, name: str, launch: Launch, logs: LogSink, forget: Callable[[Any], None]
    ) -> None:
        super().__init__(ground, name, launch, logs, forget)
        self._logs: LogPipe | None = None
        self._overlays: Sequence[Overlay] = ()
        self._init: Watched | None = None
        self._group = Group(())
        self._upkeep = Upkeep(self._group, self._members, self._memory_is_over)
        self._killed = self._over_memory = False
        self._stillness: Stillness | None = None
        self._reach: Reach | None = None

    # --- the start ---

    async def _start(self) -> None:
        container = await self._create(*await self._prepare())
        await container.start()
        found = await container.inspect()
        self._require_wanted()
        pid = int(found["State"]["Pid"])
        group = self._group = place.group_of(pid, container.id)
        self._init = Watched(self._loop, pid)
        self._waiting = self._loop.create_task(self._wait(container, self._init))
        self._upkeep = Upkeep(group, self._members, self._memory_is_over)
        disk = [self._folders.tmp, *(overlay.upper for overlay in self._overlays)] if self._folders else []
        self._upkeep.start(self._launch, disk, limits=self._ground.limits)
        if self._group.limits_memory and not self._upkeep.is_told:
            self._own(self._look_for_oom())
        self._stillness = Stillness(group, container)
        self._reach = Reach.of(self._launch.network, self._ground.helper, pid, found)

    async def _prepare(self) -> tuple[recipe.Json, list[recipe.Json]]:
        """Make what it needs on the host, and say what container it is to be, and its volumes."""
        ground, launch = self._ground, self._launch
        image = await image_of(ground.engine, launch)
        place.require_sources(launch.mounts)
        folders = self._folders = ground.folders.instance(self.name)
        read_only = ground.strict or launch.uid != 0
        shared = place.shared_folder(folders)
        self._logs = LogPipe(self._loop, self._hear, named_pipe(shared / LOG))
        place.make_tmp(folders)
        self._overlays = place.overlays_of(launch, folders, read_only=read_only)
        site = recipe.Site(
            name=self.name,
            image=image,
            own=recipe.Own(ground.entry, shared, folders.tmp),
            etc=place.make_etc(launch, folders),
            labels={**ground.labels, labels.INSTANCE: self.name},
            overlays=self._overlays,
            links=place.link_folders(launch, folders),
            hidden=ground.hidden,
            read_only=read_only,
            limits=ground.limits,
            cpus=int(ground.engine.info.get("NCPU") or 0),
            cards=cards_of(launch, ground.engine.info, podman=ground.engine.is_podman),
            ulimits=place.ulimits() if ground.engine.is_podman else {},
            gateway=ground.gateway,
        )
        return self._config(launch, site)

    def _config(self, launch: Launch, site: recipe.Site) -> tuple[recipe.Json, list[recipe.Json]]:
        return recipe.config(launch, site), [*recipe.volumes(site).values()]

    # --- while it runs ---

    async def dial(self, port: int | None = None) -> socket.socket:
        self._upkeep.touch()
        endpoint = self._launch.endpoint if port is None else TcpEndpoint(port)
        if self._folders is None or self._reach is None or self._exited.done():
            raise ConnectionRefusedError(f"{self.name} does not run")
        if isinstance(endpoint, UnixEndpoint):
            path = place.shared_of(self._folders) / PurePosixPath(endpoint.path).name
            return await dial_when_there(path, self._exited)
        return await self._reach.dial(endpoint.port)

    def listeners(self) -> Sequence[Listener]:
        if self._exited.done() or self._init is None:
            return ()
        found = listening(self._members())
        if found or os.geteuid() == 0:
            return found
        # Only root may see whose sockets these are; on the host's network it is the port that was free before.
        around = listening_around(self._init.pid)
        if self._launch.network is not Network.HOST:
            return around
        endpoint = self._launch.endpoint
        return [it for it in around if isinstance(endpoint, TcpEndpoint) and it.port == endpoint.port]

    async def freeze(self) -> None:
        if self._exited.done() or self._stillness is None:
            return
        self._upkeep.sleep()
        await self._stillness.freeze()

    async def thaw(self) -> None:
        if self._stillness is not None:
            await self._stillness.thaw()
        self._upkeep.wake()

    def drain_logs(self) -> None:
        if self._logs:
            self._logs.drain_now()
        self._upkeep.touch()

    def usage(self) -> Usage:
        return self._upkeep.usage()

    def members(self) -> Iterable[int]:
        return self._members()

    def written(self) -> Sequence[str]:
        return [path for overlay in self._overlays for path in overlay.written()]

    async def run(self, argv: Sequence[str], timeout: float | None) -> Exit:
        if self._container is None or self._folders is None or self._exited.done():
            raise SandboxError(f"{self.name} does not run")
        await self.thaw()
        pid_file = place.shared_of(self._folders) / f"pid-{secrets.token_hex(4)}"
        entry, unset = self._ground.entry, recipe.unset(self._launch)
        running = self._loop.create_task(
            self._container.execute(
                entry.more(argv, pid_file=pid_file.name, unset=unset),
                cwd=self._launch.cwd,
                user=recipe.user(self._launch),
            )
        )
        try:
            code = await asyncio.wait_for(asyncio.shield(running), timeout)
        except BaseException:
            await self._end_command(pid_file, running)
            raise
        finally:
            if self._logs:
                self._logs.drain_now()
            pid_file.unlink(missing_ok=True)
        return exit_of(f"{code} 0") or Exit(code=code)

    async def _end_command(self, pid_file: Path, running: asyncio.Task[int]) -> None:
        """It may only just be starting, and has to say first which process it is."""
        while not running.done():
            with contextlib.suppress(OSError, ValueError):
                await self._signal_inside(signal.SIGKILL, int(pid_file.read_text()))
            await asyncio.wait([running], timeout=_LOOK_SECONDS)

    # --- the end ---

    def signal(self, number: int) -> None:
        """To the user's program, which is the first child of our shell."""
        if self._init is None or self._exited.done():
            return
        try:
            for main in proctree.children(self._init.pid)[:1]:
                os.kill(main, number)
        except ProcessLookupError:
            return
        except PermissionError:
            self._own(self._signal_inside(number))

    async def _signal_inside(self, number: int, pid: int | None = None) -> None:
        if self._container is not None:
            with contextlib.suppress(SandboxError):
                await self._container.execute(self._ground.entry.signal(number, pid))

    async def stop(self, grace: float | None) -> Exit:
        if self._init is None:
            return await self.kill()
        await self.thaw()
        self.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self._exited), grace)
        return await self.kill()

    async def kill(self) -> Exit:
        self._killed = True
        if self._init is None or self._container is None:
            self._end(_NOBODY)
        elif not self._exited.done() and not self._init.send(signal.SIGKILL):
            await self.thaw()
            await self._container.kill()
        if self._stillness is not None:
            self._stillness.thaw_now()
        return await asyncio.shield(self._exited)

    async def _wait(self, container: Container, init: Watched) -> None:
        """From the death of the first process to `exited`."""
        await init.exited
        how = self._told() or await self._asked(container)
        if self._logs:
            self._logs.close()
        over = how.oom or self._over_memory or self._upkeep.out_of_memory
        self._end(replace(how, oom=how.signal == signal.SIGKILL and over))

    def _told(self) -> Exit | None:
        """How the program ended, as our shell wrote it down."""
        if self._folders is None:
            return None
        try:
            return exit_of((place.shared_of(self._folders) / EXIT).read_text())
        except (OSError, ValueError):
            return None

    async def _asked(self, container: Container) -> Exit:
        """Where all were killed, or the shell could not begin, the engine knows how; it hears of it a moment later."""
        if self._killed:
            return _KILLED
        for _ in range(_LOOKS):
            try:
                state = await container.state()
            except SandboxError:
                return _KILLED
            if not state["Running"]:
                return replace(exit_by(state) or _KILLED, oom=bool(state["OOMKilled"]))
            await asyncio.sleep(_LOOK_SECONDS)
        return _KILLED

    async def _look_for_oom(self) -> None:
        """Where nobody tells us that the kernel killed for memory: only root is told, and only by cgroup v1."""
        while not self._exited.done():
            await asyncio.sleep(_OOM_SECONDS)
            if self._group.oom_kills() > 0:
                self._memory_is_over()
                return

    def _memory_is_over(self) -> None:
        """Function Compute ends the instance, where the kernel killed one process of it."""
        self._over_memory = True
        if not self._exited.done() and self._init is not None and not self._init.send(signal.SIGKILL):
            self._own(self._kill_by_engine())

    async def _kill_by_engine(self) -> None:
        if self._container is not None:
            await self._container.kill()

    async def _settle(self) -> None:
        await self._upkeep.aclose()

    async def _let_go(self) -> None:
        if self._logs:
            self._logs.close()
        if self._reach is not None:
            await self._reach.aclose()
        if self._stillness is not None:
            self._stillness.close()
        if self._init is not None:
            self._init.close()

    async def _remove(self) -> None:
        await super()._remove()
        if self._folders is not None:
            await remove_foreign(self._ground.engine, self._folders.root, self._ground.labels)

    def _members(self) -> Iterable[int]:
        """Every process inside."""
        grouped = self._group.pids()
        if grouped is not None:
            return grouped
        return [self._init.pid, *proctree.walk(self._init.pid)] if self._init is not None else ()
