"""The process rungs as `Walls`: one owner for every sandbox, control group, folder and the reaper of a run."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from emulator.model.errors import SandboxError
from emulator.model.launch import Launch
from emulator.sandbox.base import Finding, LogSink
from emulator.sandbox.ground import Ground
from emulator.sandbox.process import ProcessSandbox
from emulator.sandbox.trial import Trials

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

    @property
    def rung(self) -> str:
        return self._ground.rung.name

    @property
    def mounts(self) -> bool:
        return self._ground.rung.mounts

    @property
    def overlays(self) -> bool:
        return self._ground.rung.overlays

    async def settled(self) -> None:
        self._ground = await asyncio.shield(self._looking)

    @property
    def private_network(self) -> bool:
        return self._ground.networks.private is not None

    def findings(self) -> Sequence[Finding]:
        return (*self._findings, *self._ground.networks.findings)

    def sandbox(self, name: str, launch: Launch, logs: LogSink) -> ProcessSandbox:
        if not _SAFE_NAME.fullmatch(name):
            raise SandboxError(f"{name!r} can not be the name of an instance")
        made = ProcessSandbox(self._ground, name, launch, logs, self._sandboxes.discard)
        self._sandboxes.add(made)
        return made

    async def aclose(self) -> None:
        self._looking.cancel()
        await asyncio.wait([self._looking])
        await asyncio.gather(*(sandbox.aclose() for sandbox in [*self._sandboxes]), self._trials.aclose())
        await self._ground.aclose()
