"""What all walls made of containers are: the owner of each sandbox of a run, whichever way its engine is reached."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, NoReturn

from emulator.model.errors import SandboxError
from emulator.model.launch import Launch, Network
from emulator.sandbox.base import LogSink
from emulator.sandbox.container.life import ContainerLife, G
from emulator.sandbox.spares import Spares

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class ContainerRung(Generic[G]):
    """See `base.Walls`."""

    rung = "container"
    mounts = True
    overlays = True
    inherits = False
    forks = False
    # Of the host's ports there is one of each, and a bridge is always there.
    network = Network.PRIVATE
    private_network = True
    cpu_is_free = ""

    def __init__(self, ground: G) -> None:
        self._ground = ground
        self._sandboxes: set[ContainerLife[G]] = set()
        self._origins: set[Spares] = set()

    @property
    def sockets(self) -> Path:
        return self._ground.folders.sockets

    async def settled(self) -> None:
        return

    def _sandbox(self, kind: type[Any], name: str, launch: Launch, logs: LogSink) -> Any:
        if not _SAFE_NAME.fullmatch(name):
            raise SandboxError(f"{name!r} can not be the name of an instance")
        made = kind(self._ground, name, launch, logs, self._sandboxes.discard)
        self._sandboxes.add(made)
        return made

    def template(self, name: str, launch: Launch, preload: Mapping[str, Any]) -> NoReturn:
        raise SandboxError("instances in containers are not forked")

    async def aclose(self) -> None:
        await asyncio.gather(*(origin.aclose() for origin in [*self._origins]))
        await asyncio.gather(*(sandbox.aclose() for sandbox in [*self._sandboxes]))
        await self._ground.aclose()
