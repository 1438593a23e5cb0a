"""One instance as a container in another kernel, such as Docker Desktop's virtual machine: all goes by the engine.

The program is reached by a published port, its output comes by an attached stream, its end by the engine's wait, and it
stands still by the engine's pause. Nothing of ours is inside: its files are an image's, process 1 is the engine's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from emulator.model.errors import SandboxError
from emulator.model.launch import Exit, Launch, Mount, TcpEndpoint, Usage
from emulator.sandbox.base import Listener, LogSink
from emulator.sandbox.container import apart_recipe, labels, place, recipe
from emulator.sandbox.container.cards import cards_of
from emulator.sandbox.container.container import Container
from emulator.sandbox.container.copied import packed
from emulator.sandbox.container.direct import attach, wait_for_end
from emulator.sandbox.container.engine_gauge import EngineGauge
from emulator.sandbox.container.entry import exit_of
from emulator.sandbox.container.ground import ApartGround
from emulator.sandbox.container.images import image_of
from emulator.sandbox.container.life import ContainerLife
from emulator.sandbox.container.published import Published, published
from emulator.sandbox.container.stillness import Stillness
from emulator.sandbox.container.streams import AttachedLog
from emulator.sandbox.groups import Group
from emulator.sandbox.logs import LineSplitter
from emulator.sandbox.overlay import Overlay, stage_overlays

_NOBODY = Exit(code=None)
_KILLED = Exit(code=None, signal=signal.SIGKILL)
# The last of its output is on its way when the engine knows of its end.
_LOG_SECONDS = 10.0
_LOOK_SECONDS = 0.1
# The engine tells no number of a command inside. Arguments: file for that, program…
_MORE = 'echo $$ 2>/dev/null >"$1"; shift; exec "$@"'
_END_MORE = 'read -r pid <"$1" && kill -9 "$pid"'


class ApartSandbox(ContainerLife[ApartGround]):
    """See `base.Sandbox`. Made by `apart_walls.ApartWalls`, which owns it until `aclose`."""

    def __init__(
        self, ground: ApartGround, name: str, launch: Launch, logs: LogSink, forget: Callable[[Any], None]
    ) -> None:
        super().__init__(ground, name, launch, logs, forget)
        self._log: AttachedLog | None = None
        self._overlays: Sequence[Overlay] = ()
        self._published: Published | None = None
        self._stillness: Stillness | None = None
        self._gauge: EngineGauge | None = None
        self._listens: asyncio.Future[None] = self._loop.create_future()
        self._killed = self._over_memory = False

    @property
    def container_id(self) -> str:
        """As the engine calls it; empty before it is created."""
        return self._container.id if self._container is not None else ""

    # --- the start ---

    async def _start(self) -> None:
        config, volumes, copied = await self._prepare()
        container = await self._create(config, volumes)
        for mount in copied:
            with await asyncio.to_thread(packed, mount, self._ground.hidden) as archive:
                await container.put(archive, mount.target)
            self._require_wanted()
        # Before it starts, or its first words would be missed.
        self._log = AttachedLog(self._loop, self._hear, *await attach(self._ground.engine.address, container.id))
        self._require_wanted()
        await container.start()
        found = await container.inspect()
        self._require_wanted()
        self._stillness = Stillness(Group(()), container)
        self._waiting = self._loop.create_task(self._wait(container, self._log))
        self._published = Published(container, published(found))
        self._gauge = EngineGauge(container)
        self._own(self._gauge.run())
        if isinstance(self._launch.endpoint, TcpEndpoint):
            self._own(self._watch(self._published, self._launch.endpoint.port))

    async def _prepare(self) -> tuple[recipe.Json, list[recipe.Json], list[Mount]]:
        """Make what it needs here, and say what container it is to be, its volumes, and what is copied into it."""
        ground, launch = self._ground, self._launch
        if not launch.image:
            raise SandboxError(
                f"{ground.engine.url} runs containers on another kernel, where this machine's programs are not seen: "
                "only functions with an image run there",
                "fclocal images build RUNTIME, or use --walls process",
            )
        image = await image_of(ground.engine, launch)
        place.require_sources(launch.mounts)
        folders = self._folders = ground.folders.instance(self.name)
        read_only = ground.strict or launch.uid != 0
        copied = apart_recipe.copied_of(launch.mounts, overlays=ground.overlays, read_only=read_only)
        overlaid = [m for m in launch.mounts if m not in copied and apart_recipe.is_overlaid(m, read_only=read_only)]
        self._overlays = stage_overlays(overlaid, folders.root / "overlay")
        site = recipe.Site(
            name=self.name,
            image=image,
            etc=folders.root,
            labels={**ground.labels, labels.INSTANCE: self.name},
            overlays=self._overlays,
            links=place.link_folders(launch, folders),
            hidden=ground.hidden,
            read_only=read_only,
            limits=ground.limits,
            cpus=int(ground.engine.info.get("NCPU") or 0),
            cards=cards_of(launch, ground.engine.info, podman=ground.engine.is_podman),
            ulimits=apart_recipe.CORE_FILES,
            gateway=ground.gateway,
        )
        return apart_recipe.config(launch, site, copied), [*recipe.volumes(site).values()], copied

    async def _watch(self, ports: Published, port: int) -> None:
        await ports.opened(port)
        if not self._listens.done():
            self._listens.set_result(None)

    # --- while it runs ---

    async def dial(self, port: int | None = None) -> socket.socket:
        """Its own port once the program listens there: before, whatever forwards it would accept."""
        endpoint = self._launch.endpoint
        own = endpoint.port if isinstance(endpoint, TcpEndpoint) else 0
        if self._published is None or self._exited.done():
            raise ConnectionRefusedError(f"{self.name} does not run")
        if port in (None, own):
            either: set[asyncio.Future[Any]] = {self._listens, self._exited}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._exited.done():
                raise ConnectionRefusedError(f"{self.name} does not run")
        self._touch()
        return await self._published.dial(port or own)

    def listeners(self) -> Sequence[Listener]:
        return () if self._published is None or self._exited.done() else self._published.listeners

    async def freeze(self) -> None:
        if self._exited.done() or self._stillness is None:
            return
        if self._gauge is not None:
            self._gauge.sleep()
        await self._stillness.freeze()

    async def thaw(self) -> None:
        if self._stillness is not None:
            await self._stillness.thaw()
        self._touch()

    def drain_logs(self) -> None:
        """What the engine has handed over: it may be some milliseconds behind the answer."""
        if self._log is not None:
            self._log.drain_now()
        self._touch()

    def usage(self) -> Usage:
        return self._gauge.usage() if self._gauge is not None else Usage(0.0, 0.0)

    def members(self) -> Iterable[int]:
        """None of its processes is one of this machine."""
        return ()

    def written(self) -> Sequence[str]:
        """Not known of what was copied in."""
        return [path for overlay in self._overlays for path in overlay.written()]

    async def run(self, argv: Sequence[str], timeout: float | None) -> Exit:
        if self._container is None or self._exited.done():
            raise SandboxError(f"{self.name} does not run")
        await self.thaw()
        pid_file = f"/dev/shm/fclocal-{secrets.token_hex(4)}"  # noqa: S108 - a path inside
        command = ["sh", "-c", _MORE, "fclocal", pid_file, *argv]
        who = recipe.user(self._launch)
        running = self._loop.create_task(self._container.told(command, cwd=self._launch.cwd, user=who))
        try:
            code, output = await asyncio.wait_for(asyncio.shield(running), timeout)
        except BaseException:
            await self._end_command(self._container, pid_file, running)
            raise
        lines = LineSplitter(self._hear)
        lines.feed(output)
        lines.flush()
        return exit_of(f"{code} 0") or Exit(code=code)

    async def _end_command(self, container: Container, pid_file: str, running: asyncio.Task[Any]) -> None:
        """It may only just be starting, and has to say first which process it is."""
        while not running.done():
            with contextlib.suppress(SandboxError):
                await container.execute(["sh", "-c", _END_MORE, "fclocal", pid_file])
            await asyncio.wait([running], timeout=_LOOK_SECONDS)

    def _touch(self) -> None:
        if self._gauge is not None:
            self._gauge.touch()

    # --- the end ---

    def signal(self, number: int) -> None:
        """To the engine's first process, which hands it on to the program."""
        if self._container is not None and not self._exited.done():
            self._own(self._container.signal(number))

    async def stop(self, grace: float | None) -> Exit:
        if self._container is None or self._waiting is None:
            return await self.kill()
        await self.thaw()
        await self._container.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self._exited), grace)
        return await self.kill()

    async def kill(self) -> Exit:
        self._killed = True
        if self._container is None or self._waiting is None:
            self._end(_NOBODY)
        elif not self._exited.done():
            await self.thaw()
            await self._container.kill()
        return await asyncio.shield(self._exited)

    async def _wait(self, container: Container, log: AttachedLog) -> None:
        """From the end of the container to `exited`."""
        how = await self._ended(container)
        await asyncio.wait([log.ended], timeout=_LOG_SECONDS)
        log.close()
        self._end(how)

    async def _ended(self, container: Container) -> Exit:
        """How it ended; an engine that goes away takes it along."""
        try:
            code = await wait_for_end(self._ground.engine.address, container.id)
            state = await container.state()
        except SandboxError:
            return _KILLED
        how = exit_of(f"{code} 0") or _KILLED
        over = self._over_memory or (bool(state.get("OOMKilled")) and not self._killed)
        return replace(how, oom=over and how.signal == signal.SIGKILL)

    def memory_is_over(self) -> None:
        """Function Compute ends the instance, where the kernel killed one process of it."""
        self._over_memory = True
        if self._container is not None and not self._exited.done():
            self._own(self._container.kill())

    async def _let_go(self) -> None:
        if self._log is not None:
            self._log.close()
