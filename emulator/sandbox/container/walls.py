"""Containers as `Walls`: one owner for every container, folder and the reaper of a run."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from emulator.model.errors import SandboxError
from emulator.model.launch import Launch, Network, Start
from emulator.sandbox.base import Finding, LogSink
from emulator.sandbox.container import labels
from emulator.sandbox.container.ahead import AheadContainer, HeldContainer, ParkedContainer
from emulator.sandbox.container.apart_walls import ApartWalls
from emulator.sandbox.container.engine import Api, Engine
from emulator.sandbox.container.entry import make_entry
from emulator.sandbox.container.ground import ApartGround, NearGround
from emulator.sandbox.container.held import Chosen, held_by_containers
from emulator.sandbox.container.late import is_needed
from emulator.sandbox.container.leftovers import remove_left
from emulator.sandbox.container.probe import mounts_overlays
from emulator.sandbox.container.rung import ContainerRung
from emulator.sandbox.container.sandbox import ContainerSandbox
from emulator.sandbox.container.sweeper import remove_foreign
from emulator.sandbox.folders import RunFolders, make_run_folders, remove_leftovers
from emulator.sandbox.held import gpu_here
from emulator.sandbox.inside import Inside
from emulator.sandbox.limits_table import Table
from emulator.sandbox.network import NamespaceHelper
from emulator.sandbox.parking import unheard
from emulator.sandbox.reaper import Reaper
from emulator.sandbox.spares import Spares

_NOT_ROOT = "code is mounted in a running container by root alone, and not in another kernel"


async def open_containers(
    state_dir: Path, *, strict: bool, limits: bool, environ: Mapping[str, str]
) -> ContainerWalls | ApartWalls:
    """Walls made of containers; also removes what emulators left there that are gone.

    Raises `SandboxError` where no engine answers, with the ways on.
    """
    engine = await Engine.connect(environ)
    try:
        engine.require_this_machine()
        for run in await remove_leftovers(state_dir):
            if engine.is_near:
                await remove_foreign(engine, state_dir.absolute() / "run" / run, {})
        await remove_left(engine)
        folders = make_run_folders(state_dir, environ)
    except BaseException:
        await engine.aclose()
        raise
    try:
        common = await _common(engine, folders, state_dir)
        if engine.is_near:
            entry = await asyncio.to_thread(make_entry, folders.root / "entry", Path(shutil.which("sh") or "/bin/sh"))
            near = NearGround(**common, strict=strict, limits=limits, helper=NamespaceHelper(), entry=entry)
            return ContainerWalls(near)
        overlays = await mounts_overlays(engine, folders.root, labels.of_run(folders.run))
        return ApartWalls(ApartGround(**common, strict=strict, limits=limits, overlays=overlays))
    except BaseException:
        await engine.aclose()
        await folders.aclose()
        raise


async def _common(engine: Engine, folders: RunFolders, state_dir: Path) -> dict[str, Any]:
    """What a ground is made of, however near the engine is."""
    folders.remember_groups(())
    folders.remember_engine(engine.address)
    reaper = Reaper(asyncio.get_running_loop(), folders.run, (), (folders.sockets, folders.root))
    reaper.look_after(engine.address)
    return {
        "engine": engine,
        "folders": folders,
        "reaper": reaper,
        "labels": labels.of_run(folders.run),
        "hidden": (state_dir.resolve(),),
        "gateway": await _gateway(engine),
    }


async def _gateway(engine: Engine) -> str:
    """Docker has a word for the host as it is seen from the bridge, and podman an address."""
    if not engine.is_podman:
        return "host-gateway"
    network = await engine.call(Api.inspect_network, "podman")
    return str(next(it["Gateway"] for it in network["IPAM"]["Config"] if it.get("Gateway")))


class ContainerWalls(ContainerRung[NearGround]):
    """See `base.Walls`."""

    shares_sockets = True
    builds_ahead = True

    @property
    def parks(self) -> bool:
        """Code is mounted in a container that runs, which only root may do, and in a kernel of its own nobody."""
        info = self._ground.engine.info
        return os.geteuid() == 0 and info.get("KernelVersion") == os.uname().release

    @property
    def shell(self) -> Sequence[str]:
        return self._ground.entry.sh

    def findings(self) -> Sequence[Finding]:
        engine = self._ground.engine
        found = Finding("containers", engine.name, engine.url)
        if self.parks:
            return (found, Finding("containers ahead of time", "for all functions"))
        return (found, Finding("containers ahead of time", "for images without code mounts", _NOT_ROOT, full=False))

    def held(self, inside: Inside, network: Network | None) -> Table:
        ground = self._ground
        chosen = Chosen(limits=ground.limits, strict=ground.strict, network=network, gpu=gpu_here())
        return held_by_containers(ground.engine.info, inside, chosen)

    def sandbox(self, name: str, launch: Launch, logs: LogSink) -> ContainerSandbox:
        return cast(ContainerSandbox, self._sandbox(ContainerSandbox, name, launch, logs))

    def spares(self, launch: Callable[[str], Launch]) -> Spares:
        return self._ahead(ParkedContainer, launch, Start.SPARE)

    def built_ahead(self, launch: Callable[[str], Launch]) -> Spares:
        return self._ahead(HeldContainer, launch, Start.WALLS)

    def _ahead(self, kind: type[AheadContainer], launch: Callable[[str], Launch], start: Start) -> Spares:
        if not self.parks and is_needed(launch("")):
            raise SandboxError(_NOT_ROOT)

        def make(name: str, forget: Callable[[Any], None]) -> AheadContainer:
            return kind(self._ground, name, launch(name), unheard, forget)

        made = Spares(make, self.sandbox, self._origins.discard, start)
        self._origins.add(made)
        return made
