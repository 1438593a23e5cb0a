"""The process rungs as `Walls`: one owner for every sandbox, control group, folder and the reaper of a run."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from emulator.model.errors import SandboxError
from emulator.model.launch import Launch, Network
from emulator.sandbox import advice
from emulator.sandbox.base import Finding, LogSink
from emulator.sandbox.ground import Ground
from emulator.sandbox.parking import unheard
from emulator.sandbox.process import ProcessSandbox
from emulator.sandbox.trial import Trials

if TYPE_CHECKING:
    from emulator.sandbox.inside import Inside
    from emulator.sandbox.limits_table import Table
    from emulator.sandbox.spares import Spares
    from emulator.sandbox.template import Template

_SH = "/bin/sh"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class ProcessWalls:
    """See `base.Walls`. Made by `ladder.choose_walls`.

    `looking` ends with a ground that knows its networks; it may take a while, and nothing waits for it unasked.
    `trials` may still be clearing away after themselves.
    """

    def __init__(
        self,
        ground: Ground,
        findings: Sequence[Finding],
        looking: asyncio.Task[Ground],
        trials: Trials,
    ) -> None:
        self._ground = ground
        self._findings = tuple(findings)
        self._looking = looking
        self._trials = trials
        self._sandboxes: set[ProcessSandbox] = set()
        self._origins: set[Template | Spares] = set()

    @property
    def rung(self) -> str:
        return self._ground.rung.name

    @property
    def mounts(self) -> bool:
        return self._ground.rung.mounts

    @property
    def overlays(self) -> bool:
        return self._ground.rung.overlays

    @property
    def inherits(self) -> bool:
        return True

    @property
    def shares_sockets(self) -> bool:
        return True

    @property
    def forks(self) -> bool:
        return True

    @property
    def parks(self) -> bool:
        return True

    @property
    def builds_ahead(self) -> bool:
        return False

    @property
    def cpu_is_free(self) -> str:
        return advice.cpu_is_free(self._ground.cgroups)

    @property
    def shell(self) -> Sequence[str]:
        return (_SH,)

    @property
    def sockets(self) -> Path:
        return self._ground.folders.sockets

    async def settled(self) -> None:
        self._ground = await asyncio.shield(self._looking)

    @property
    def network(self) -> Network:
        return Network.HOST

    @property
    def private_network(self) -> bool:
        return self._ground.networks.private is not None

    def findings(self) -> Sequence[Finding]:
        return (*self._findings, *self._ground.networks.findings)

    def held(self, inside: Inside, network: Network | None) -> Table:
        # Asked for by `fclocal doctor` alone.
        from emulator.sandbox.held import found_on, held_by_processes

        return held_by_processes(found_on(self._ground, self.findings()), inside, network)

    def sandbox(self, name: str, launch: Launch, logs: LogSink) -> ProcessSandbox:
        if not _SAFE_NAME.fullmatch(name):
            raise SandboxError(f"{name!r} can not be the name of an instance")
        made = ProcessSandbox(self._ground, name, launch, logs, self._sandboxes.discard)
        self._sandboxes.add(made)
        return made

    def template(self, name: str, launch: Launch, preload: Mapping[str, Any]) -> Template:
        # Most of a start needs none of it.
        from emulator.sandbox.template import Template

        made = Template(self._ground, name, launch, preload, self._sandboxes.discard, self._origins.discard)
        self._origins.add(made)
        return made

    def spares(self, launch: Callable[[str], Launch]) -> Spares:
        from emulator.sandbox.parked import ParkedSandbox
        from emulator.sandbox.spares import Spares

        def spare(name: str, forget: Callable[[Any], None]) -> ParkedSandbox:
            return ParkedSandbox(self._ground, name, launch(name), unheard, forget)

        made = Spares(spare, self.sandbox, self._origins.discard)
        self._origins.add(made)
        return made

    def built_ahead(self, launch: Callable[[str], Launch]) -> NoReturn:
        raise SandboxError("a process is not held before its program is started")

    async def aclose(self) -> None:
        self._looking.cancel()
        await asyncio.wait([self._looking])
        await asyncio.gather(*(sandbox.aclose() for sandbox in [*self._sandboxes]), self._trials.aclose())
        await asyncio.gather(*(origin.aclose() for origin in [*self._origins]))
        await self._ground.aclose()
