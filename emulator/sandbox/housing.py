"""The walls of each function: processes, which every emulator has, and containers, which are made at first need."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from emulator.config.settings import Settings
from emulator.model.errors import SandboxError
from emulator.model.function import Project
from emulator.model.launch import Network, WallsKind
from emulator.sandbox.advice import cpu_lift
from emulator.sandbox.base import Finding, Walls
from emulator.sandbox.ladder import choose_walls


async def open_housing(settings: Settings, state_dir: Path) -> Housing:
    """Process walls, and with `--walls container` those too. Raises `SandboxError` where what is wanted can not be had,
    with the command that would help."""
    only_containers = settings.walls == WallsKind.CONTAINER.value
    process = await choose_walls(
        settings.walls,
        state_dir,
        strict=settings.strict,
        limits=settings.limits,
        network=Network.HOST if only_containers else settings.instance_network or Network.HOST,
    )

    async def containers() -> Walls:
        # docker-py takes as long to load as all the rest of a start.
        from emulator.sandbox.container.walls import open_containers

        return await open_containers(state_dir, strict=settings.strict, limits=settings.limits, environ=os.environ)

    housing = Housing(process, containers)
    if only_containers:
        try:
            await housing.of(WallsKind.CONTAINER)
        except BaseException:
            await housing.aclose()
            raise
    return housing


async def _none() -> Walls:
    raise SandboxError("there are no containers here", "use --walls process")


class Housing:
    """Owns both. An engine that no function needs is not looked for, and one that was absent is looked for again."""

    def __init__(self, process: Walls, containers: Callable[[], Awaitable[Walls]] = _none) -> None:
        self.process = process
        self._make = containers
        self._containers: Walls | None = None
        self._making = asyncio.Lock()

    async def of(self, kind: WallsKind) -> Walls:
        """Raises `SandboxError` where no container engine answers."""
        if kind is WallsKind.PROCESS:
            return self.process
        async with self._making:
            if self._containers is None:
                self._containers = await self._make()
            return self._containers

    def rung(self, kind: WallsKind) -> str:
        """What a function of this kind runs in, as printed."""
        return self.process.rung if kind is WallsKind.PROCESS else kind.value

    def require_cpu(self, settings: Settings, project: Project) -> None:
        """Raises `SandboxError` where `settings.cpu` is set, and is more than can be kept."""
        if settings.cpu is None:
            return
        refused = f"instances can not be held to {settings.cpu:g} cores"
        if not settings.limits:
            raise SandboxError(f"{refused}: --no-limits says that nothing is limited", "leave one of both out")
        if any(function.walls is WallsKind.PROCESS for function in project.functions) and self.process.cpu_is_free:
            raise SandboxError(f"{refused}: {self.process.cpu_is_free}", cpu_lift())

    async def settled(self) -> None:
        await self.process.settled()

    def findings(self) -> Sequence[Finding]:
        """What is known of those that were made."""
        more = self._containers.findings() if self._containers is not None else ()
        return (*self.process.findings(), *more)

    async def aclose(self) -> None:
        async with contextlib.AsyncExitStack() as closing:
            closing.push_async_callback(self.process.aclose)
            if self._containers is not None:
                closing.push_async_callback(self._containers.aclose)
