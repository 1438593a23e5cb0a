"""Walls of containers that run on another kernel: Docker Desktop, Colima, a machine of podman's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import NoReturn, cast

from emulator.model.errors import SandboxError
from emulator.model.launch import MACHINE, Launch, Network
from emulator.sandbox.base import Finding, LogSink
from emulator.sandbox.container import labels
from emulator.sandbox.container.apart import ApartSandbox
from emulator.sandbox.container.direct import events
from emulator.sandbox.container.ground import ApartGround
from emulator.sandbox.container.held import Chosen, held_apart
from emulator.sandbox.container.rung import ContainerRung
from emulator.sandbox.held import gpu_here
from emulator.sandbox.inside import Inside
from emulator.sandbox.limits_table import Table

# After the engine hung up.
_AGAIN_SECONDS = 1.0
_NO_OVERLAYS = "the engine can not mount overlays of this machine's folders"
_CHANNEL = f"instances dial this machine as {MACHINE}, which the engine has to hand on to 127.0.0.1"


class ApartWalls(ContainerRung[ApartGround]):
    """See `base.Walls`."""

    shares_sockets = False
    parks = False
    builds_ahead = False
    # Of an image: nothing of this machine's runs there.
    shell: Sequence[str] = ("sh",)

    def __init__(self, ground: ApartGround) -> None:
        super().__init__(ground)
        self._hearing = asyncio.get_running_loop().create_task(self._hear_of_memory())

    async def _hear_of_memory(self) -> None:
        """The engine tells when the kernel killed any process of a container."""
        engine = self._ground.engine
        wanted = {"event": ["oom"], "label": [f"{labels.RUN}={self._ground.labels[labels.RUN]}"]}
        while True:
            with contextlib.suppress(SandboxError):  # it is away
                async for event in events(engine.address, wanted):
                    self._memory_is_over(str((event.get("Actor") or {}).get("ID")))
            await asyncio.sleep(_AGAIN_SECONDS)

    def _memory_is_over(self, container: str) -> None:
        for sandbox in self._sandboxes:
            if isinstance(sandbox, ApartSandbox) and sandbox.container_id == container:
                sandbox.memory_is_over()

    async def aclose(self) -> None:
        self._hearing.cancel()
        await asyncio.wait([self._hearing])
        await super().aclose()

    def findings(self) -> Sequence[Finding]:
        engine = self._ground.engine
        found = [
            Finding("containers", engine.name, f"{engine.url}, reached by ports and streams: on another kernel"),
            Finding("debugger in containers", "by TCP", _CHANNEL),
        ]
        if not self._ground.overlays:
            found.append(Finding("code in containers", "copied in at each start", _NO_OVERLAYS, full=False))
        return found

    def held(self, inside: Inside, network: Network | None) -> Table:
        ground = self._ground
        chosen = Chosen(limits=ground.limits, strict=ground.strict, network=network, gpu=gpu_here())
        return held_apart(ground.engine.info, inside, chosen)

    def sandbox(self, name: str, launch: Launch, logs: LogSink) -> ApartSandbox:
        return cast(ApartSandbox, self._sandbox(ApartSandbox, name, launch, logs))

    def spares(self, launch: Callable[[str], Launch]) -> NoReturn:
        raise SandboxError("nothing can be mounted into a running container of another kernel")

    built_ahead = spares
