"""What all containers of one run of the emulator stand on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from emulator.model.errors import SandboxError
from emulator.sandbox.container.container import Container
from emulator.sandbox.container.engine import Engine
from emulator.sandbox.container.entry import Entry
from emulator.sandbox.folders import RunFolders
from emulator.sandbox.network import NamespaceHelper
from emulator.sandbox.reaper import Reaper


class ContainerGround(Struct, frozen=True):
    """`labels` say whose the containers are; `hidden` are host folders that stay out of sight. `limits` is false where
    the user wants none, `strict` makes the root and the code read-only. `gateway` is the host as it
    is seen from the bridge. `unremoved` are containers that have ended."""

    engine: Engine
    folders: RunFolders
    reaper: Reaper
    labels: Mapping[str, str]
    hidden: tuple[Path, ...] = ()
    strict: bool = False
    limits: bool = True
    gateway: str = "host-gateway"
    unremoved: list[Container] = field(default_factory=list)

    async def remove_rest(self) -> None:
        """What could not be removed while the engine was away."""
        while self.unremoved:
            container = self.unremoved.pop()
            try:
                await container.remove()
            except SandboxError:
                self.unremoved.append(container)
                return

    async def aclose(self) -> None:
        await self.remove_rest()
        await self.engine.aclose()
        await self.folders.aclose()
        await self.reaper.aclose()  # last: where this is broken off, it does the rest


class NearGround(ContainerGround, frozen=True, kw_only=True):
    """Of an engine on our own kernel: we can look, reach and mount into its containers."""

    helper: NamespaceHelper
    entry: Entry

    async def aclose(self) -> None:
        await self.helper.aclose()
        await super().aclose()


class ApartGround(ContainerGround, frozen=True, kw_only=True):
    """Of an engine on another kernel. `overlays` is true where it can mount overlays of our folders; else what they
    would show is copied in."""

    overlays: bool
