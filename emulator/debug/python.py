"""Python's side of debugging: the port that an editor attaches to. The router is loaded when the first one comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from emulator.debug.names import Names
from emulator.debug.options import DebugOptions
from emulator.instance.control import Callee, Control, Switchboard
from emulator.instance.instance import Instance
from emulator.journal.journal import Journal
from emulator.model.function import Revision

if TYPE_CHECKING:
    from emulator.debug.editor import Editor, Seat
    from emulator.debug.router import Router


class PythonSide:
    """See `instance.debugger.Debugger`. Until an editor comes it only knows which instances there are."""

    def __init__(self, switchboard: Switchboard, journal: Journal, names: Names, options: DebugOptions) -> None:
        self._switchboard = switchboard
        self._journal = journal
        self._names = names
        self._options = options
        self._instances: dict[str, Instance] = {}
        # Those that wait for us before they load user code.
        self._expected: set[str] = set()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._router: Router | None = None
        self._seat: Seat | None = None
        self._editors: set[Editor] = set()
        if options.always:
            self._load()
        switchboard.listen("breakpoint", self._passed)

    # --- the port ---

    async def listen(self, port: int) -> int:
        """Listen on 127.0.0.1; the port, also where 0 was asked for. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._came, "127.0.0.1", port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    def _came(self) -> asyncio.Protocol:
        from emulator.debug.editor import Editor, Seat

        self._seat = self._seat or Seat()
        editor = Editor(self._load(), self._seat, self._editors.discard)
        self._editors.add(editor)
        return editor.peer

    def _load(self) -> Router:
        if self._router is None:
            from emulator.debug.router import Router

            self._router = Router(self._switchboard, self._journal, self._names, self._options, self._instances)
        return self._router

    async def aclose(self) -> None:
        if self._server is not None:
            self._server.close()
        for editor in list(self._editors):
            editor.peer.event("terminated")
            editor.peer.close()
        if self._router is not None:
            await self._router.aclose()

    # --- what instances tell ---

    def expect(self, instance_id: str, revision: Revision) -> bool:
        router = self._router
        wanted = router is not None and (self._options.always or router.edited)
        if wanted:
            self._expected.add(instance_id)
        return wanted

    async def ready(self, instance: Instance) -> None:
        self._instances[instance.id] = instance
        bootstrap = instance.revision.function.runtime.startswith("python")
        if instance.id in self._expected and bootstrap and self._router is not None:
            with instance.span("debugger"):
                await self._router.attaching.born(instance)
        elif instance.sandbox.launch.debug_port is not None and self._router is not None:
            await self._router.born(instance)

    async def settle(self, instance: Instance) -> None:
        if self._router is not None:
            await self._router.settle(instance)

    async def sync(self, instance: Instance) -> None:
        if self._router is not None:
            await self._router.sync(instance)

    def done(self, instance: Instance) -> None:
        if self._router is not None:
            self._router.done(instance)

    def patched(self, instance: Instance) -> None:
        if self._router is not None:
            self._router.patched(instance)

    def retire(self, instance: Instance) -> None:
        if self._router is not None:
            self._router.retire(instance)

    def gone(self, instance: Instance) -> None:
        self._instances.pop(instance.id, None)
        self._expected.discard(instance.id)
        if self._router is not None:
            self._router.gone(instance)
        self._names.forget(instance)

    def timed_out(self, instance: Instance) -> bool:
        return self._router is not None and self._router.timed_out(instance)

    def _passed(self, callee: Callee, control: Control, said: dict[str, Any]) -> None:
        """User code has called `breakpoint()` in a process that has no debugger."""
        instance = cast(Instance, callee)
        if self._router is not None and self._router.edited:
            self._router.own(self._router.load_for(instance, control, said))
            return
        control.tell("answer", to=said.get("ask"))
        found = said.get("where")
        where = f" at {found.get('file')}:{found.get('line')}" if isinstance(found, dict) else ""
        self._journal.notice(
            f"breakpoint(){where} is passed: no editor is attached (debug port {self.port})", function=instance.function
        )
