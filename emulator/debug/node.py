"""Node.js's side of debugging: the port that an editor attaches to. The hub is loaded when the first one comes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from emulator.debug.names import Names
from emulator.debug.options import DebugOptions
from emulator.instance.control import Switchboard
from emulator.instance.instance import Instance
from emulator.model.function import Revision

if TYPE_CHECKING:
    from emulator.debug.cdp import CdpHub

LOOPBACK = "127.0.0.1"
# Ids of runtimes whose bootstrap is a Node.js program, and of those whose own program may be one.
MAY_SPEAK_NODE = ("nodejs", "custom")


class NodeSide:
    """See `instance.debugger.Debugger`. Until an editor comes it only knows which instances there are."""

    def __init__(self, switchboard: Switchboard, names: Names, options: DebugOptions) -> None:
        self._switchboard = switchboard
        self._names = names
        self._always = options.always
        self._instances: dict[str, Instance] = {}
        self._socket: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None
        self._hub: CdpHub | None = None
        self.port = 0
        if options.always:
            self._load()

    # --- the port ---

    def listen(self, port: int) -> None:
        """On 127.0.0.1; 0 takes a free port. Raises `OSError`."""
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listening.setblocking(False)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((LOOPBACK, port))
            listening.listen()
        except BaseException:
            listening.close()
            raise
        self._socket = listening
        self.port = listening.getsockname()[1]
        asyncio.get_running_loop().add_reader(listening, self._somebody_came)

    def stop_listening(self) -> None:
        """Nobody has come yet."""
        if self._socket is not None and self._serving is None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _somebody_came(self) -> None:
        """They wait in the socket's queue until the hub takes it over."""
        if self._socket is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._socket)
            self._serving = loop.create_task(self._load().server.serve(self._socket))

    def _load(self) -> CdpHub:
        if self._hub is None:
            from emulator.debug.cdp import CdpHub

            self._hub = CdpHub(self._switchboard, self._names, self._instances.values())
        return self._hub

    async def aclose(self) -> None:
        self.stop_listening()
        if self._serving is not None:
            with contextlib.suppress(OSError):
                await self._serving
        if self._hub is not None:
            await self._hub.aclose()

    # --- what instances tell ---

    def expect(self, instance_id: str, revision: Revision) -> bool:
        attaches = self._always or (self._hub is not None and self._hub.attached)
        return attaches and revision.function.runtime.startswith(MAY_SPEAK_NODE)

    async def ready(self, instance: Instance) -> None:
        if not instance.revision.function.runtime.startswith(MAY_SPEAK_NODE):
            return
        self._instances[instance.id] = instance
        if self._hub is not None:
            await self._hub.ready(instance)

    async def settle(self, instance: Instance) -> None:
        if self._hub is not None:
            await self._hub.settle(instance)

    async def sync(self, instance: Instance) -> None:
        if self._hub is not None:
            await self._hub.sync(instance)

    def done(self, instance: Instance) -> None: ...

    def patched(self, instance: Instance) -> None:
        """Only Python instances go on with other code (docs/keep.md)."""

    def retire(self, instance: Instance) -> None:
        if self._hub is not None:
            self._hub.retire(instance)

    def gone(self, instance: Instance) -> None:
        self._instances.pop(instance.id, None)
        if self._hub is not None:
            self._hub.gone(instance)

    def timed_out(self, instance: Instance) -> bool:
        return self._hub is not None and self._hub.timed_out(instance)
