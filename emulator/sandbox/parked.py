"""One instance that is spawned ahead of time, and told what it is to be when it is assigned (docs/zygote.md)."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence

from emulator.model.errors import SandboxError
from emulator.model.launch import Launch
from emulator.sandbox.assignment import assign, wait_until_parked
from emulator.sandbox.base import LogSink
from emulator.sandbox.folders import InstanceFolders
from emulator.sandbox.ground import Ground
from emulator.sandbox.process import ProcessSandbox
from emulator.sandbox.rung import Plan


class ParkedSandbox(ProcessSandbox):
    """See `base.Sandbox`, but that `park` comes before `start`. Its program waits for an order on its endpoint, see
    `docs/bootstrap-protocol.md`."""

    def __init__(
        self, ground: Ground, name: str, launch: Launch, logs: LogSink, forget: Callable[[ProcessSandbox], None]
    ) -> None:
        super().__init__(ground, name, launch, logs, forget)
        self._parked_as = launch
        self._late: tuple[str, ...] = ()
        self._waiting: socket.socket | None = None

    @property
    def parked(self) -> bool:
        return self._waiting is not None and not self._exited.done()

    async def park(self) -> None:
        """Start it, behind complete walls but for what must be younger than the last save in the code. Returns when it
        waits. Raises `SandboxError`, and then closes itself."""
        await self.start()

    def adopt(self, launch: Launch, logs: LogSink) -> None:
        """From now on it is to be an instance of this launch, which differs from the one that it was parked with in
        nothing but its environment."""
        self._launch, self._sink = launch, logs

    async def _start(self) -> None:
        if self._waiting is None:
            await super()._start()
            await self._wait_until_it_waits()
            return
        self._upkeep.wake()
        if self._late:
            await self._mount(self._late)
        await assign(self.name, self._waiting, self._exited, self._parked_as, self._launch)

    def _plan(self, folders: InstanceFolders) -> Plan:
        found = self._ground.rung.park(self._launch, folders, self._group.folders, self._bounds())
        self._late = found.late
        return found.plan

    async def _mount(self, words: Sequence[str]) -> None:
        if self._init is None or self._exited.done():
            raise SandboxError(f"{self.name} ended before it was started")
        namespace = os.open(f"/proc/{self._init.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        try:
            reply, _ = await self._ground.networks.helper.ask(("mount", *words), [namespace])
        finally:
            os.close(namespace)
        reply.close()

    async def _wait_until_it_waits(self) -> None:
        self._waiting = await self.dial()
        await wait_until_parked(self.name, self._waiting, self._exited)
        if self._late:
            await self._mount(())  # where that can not be done, nobody is to rely on it later
        self._upkeep.sleep()

    async def _remove(self) -> None:
        if self._waiting is not None:
            self._waiting.close()
        await super()._remove()
