"""What all instances of one run of the emulator stand on."""

from __future__ import annotations

from msgspec import Struct

from emulator.sandbox.census import Census
from emulator.sandbox.cgroups import CgroupTree
from emulator.sandbox.folders import RunFolders
from emulator.sandbox.networks import Networks
from emulator.sandbox.reaper import Reaper
from emulator.sandbox.rung import Rung


class Ground(Struct, frozen=True):
    """`limits` is false where the user wants none."""

    rung: Rung
    folders: RunFolders
    cgroups: CgroupTree
    reaper: Reaper
    networks: Networks
    census: Census
    limits: bool

    async def aclose(self) -> None:
        self.cgroups.close()
        await self.networks.aclose()
        await self.folders.aclose()
        await self.reaper.aclose()  # last: where this is broken off, it does the rest
