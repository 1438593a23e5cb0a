"""The hub of Node.js: lets editors into the inspector of every instance, as soon as there are both."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, cast

from emulator.debug.cdp_debuggee import Debuggee
from emulator.debug.cdp_link import LinkClosed
from emulator.debug.cdp_root import Root
from emulator.debug.cdp_server import CdpServer, Conversation, Listed, Write
from emulator.debug.cdp_session import Session, Target
from emulator.debug.cdp_urls import Message
from emulator.debug.names import Names
from emulator.instance.control import Callee, Control, Switchboard
from emulator.instance.instance import Instance

# How long an instance waits for an editor that has been told of it: js-debug needs a third of a second.
RELEASE_SECONDS = 5.0
# How long a freeze waits for one that is idle, and so answers at once.
SETTLE_SECONDS = 0.5
ROOT_TITLE = "fclocal: all Node.js instances"


class CdpHub:
    """What node.py tells of instances is as `instance.debugger.Debugger` has it. `instances` are those there are,
    `names` tells them apart for people; `server` is the door of the editors."""

    def __init__(self, switchboard: Switchboard, names: Names, instances: Iterable[Instance]) -> None:
        self._names = names
        self._debuggees: dict[str, Debuggee] = {}
        self._roots: set[Root] = set()
        # Who looks at one process only, and what ends their connection.
        self._alone: dict[Session, Callable[[], None]] = {}
        self._root_id = secrets.token_hex(16)
        self._tasks: set[asyncio.Task[None]] = set()
        self._inviting: dict[str, asyncio.Task[None]] = {}
        self.server = CdpServer(self)
        for instance in instances:
            self._meet(instance)
        switchboard.carry("cdp", self._dialled)
        switchboard.listen("hello", self._said_hello)

    @property
    def attached(self) -> bool:
        """Whether an editor wants to know of every instance."""
        return any(root.enabled for root in self._roots)

    async def aclose(self) -> None:
        await self.server.aclose()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # --- what happens to instances ---

    async def ready(self, instance: Instance) -> None:
        """The instance runs and has loaded nothing of the user's. Returns when each editor has set its breakpoints."""
        debuggee = self._meet(instance)
        if self.attached and debuggee.has_bootstrap:
            with instance.span("debugger"):
                await self._bring_in(debuggee)

    def _meet(self, instance: Instance) -> Debuggee:
        debuggee = self._debuggees[instance.id] = Debuggee(instance, self._names.of(instance))
        for control in instance.controls:
            debuggee.said_hello(control)
        return debuggee

    async def settle(self, instance: Instance) -> None:
        """The instance is about to be frozen. Returns when what it has said is here."""
        debuggee = self._debuggees.get(instance.id)
        if debuggee is None:
            return
        if (inviting := self._inviting.get(instance.id)) is not None:
            await asyncio.wait([inviting], timeout=SETTLE_SECONDS)
        await self._heard_by(debuggee, SETTLE_SECONDS)

    async def sync(self, instance: Instance) -> None:
        """The instance was thawed. Returns when it has heard what it was told meanwhile."""
        debuggee = self._debuggees.get(instance.id)
        if debuggee is None:
            return
        debuggee.thawed = True
        try:
            if self.attached:
                await self._bring_in(debuggee)
            await self._heard_by(debuggee, RELEASE_SECONDS)
        finally:
            debuggee.thawed = False

    async def _heard_by(self, debuggee: Debuggee, seconds: float) -> None:
        """Each session is asked something: its answer comes after all that came before, on both ways."""
        with contextlib.suppress(LinkClosed, TimeoutError):
            async with asyncio.timeout(seconds):
                for session in list(self._sessions(debuggee)):
                    await session.sync()

    def retire(self, instance: Instance) -> None:
        """A newer revision has taken its place."""
        debuggee = self._debuggees.get(instance.id)
        if debuggee is not None:
            debuggee.retired = True
            for target in debuggee.targets:
                target.retired = True

    def gone(self, instance: Instance) -> None:
        debuggee = self._debuggees.pop(instance.id, None)
        for target in list(debuggee.targets) if debuggee else ():
            target.link.close()

    def timed_out(self, instance: Instance) -> bool:
        """Stop it where it is, if an editor looks on: true where it is about to stand."""
        debuggee = self._debuggees.get(instance.id)
        session = next((it for it in self._sessions(debuggee) if it.debugs), None) if debuggee else None
        if session is not None:
            session.pause()
        return session is not None

    def _sessions(self, debuggee: Debuggee) -> Iterator[Session]:
        everybody = [session for root in self._roots for session in root.sessions]
        yield from (it for it in (*everybody, *self._alone) if it.target in debuggee.targets)

    # --- bringing in ---

    async def _bring_in(self, debuggee: Debuggee) -> None:
        """Returns when its inspector has come and each editor has said what it wants, or does not say it in time."""
        key = debuggee.instance.id
        if key not in self._inviting:
            self._inviting[key] = self._own(debuggee.invite())
            self._inviting[key].add_done_callback(lambda _: self._inviting.pop(key))
        await asyncio.wait([self._inviting[key]])
        for target in list(debuggee.targets):
            await self._show(target)

    def _said_hello(self, callee: Callee, control: Control, hello: Message) -> None:
        debuggee = self._debuggees.get(cast(Instance, callee).id)
        if debuggee is not None:
            debuggee.said_hello(control)

    def _dialled(self, callee: Callee, hello: Message, transport: asyncio.Transport, rest: bytes) -> None:
        """A process of an instance has opened its inspector for us."""
        debuggee = self._debuggees.get(cast(Instance, callee).id)
        target = debuggee.add(hello, transport, self._lost) if debuggee else None
        if target is None:
            transport.close()
            return
        transport.set_protocol(target.link)
        self._own(self._show(target))
        if rest:
            target.link.data_received(rest)

    async def _show(self, target: Target) -> None:
        """To every editor that does not see it yet; the program begins when they have set their breakpoints."""
        sessions = [it for root in self._roots if (it := root.add(target)) is not None]
        waits = [it.released for it in sessions if not it.released.done()]
        if waits:
            await asyncio.wait(waits, timeout=RELEASE_SECONDS)
        for session in sessions:
            session.release()
        target.link.go()

    def _lost(self, target: Target) -> None:
        """The process has gone, or closed its inspector, maybe for an editor that left before another came."""
        for root in self._roots:
            root.remove(target)
        for session in [it for it in self._alone if it.target is target]:
            session.ended()
            self._alone.pop(session)()
        self._enabled()

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- editors ---

    def listed(self) -> Iterable[Listed]:
        yield Listed(self._root_id, ROOT_TITLE, "file:///")
        for debuggee in self._debuggees.values():
            if not debuggee.has_bootstrap and not debuggee.targets:
                continue  # whatever it is
            yield Listed(debuggee.id, debuggee.title, debuggee.code_url)
            for target in debuggee.targets[1:]:
                yield Listed(target.id, target.name, debuggee.code_url)

    async def converse(self, target_id: str, write: Write, hang_up: Callable[[], None]) -> Conversation | None:
        if target_id == self._root_id:
            root = Root(write, self._attached, self._left)
            self._roots.add(root)
            return root
        debuggee = next((it for it in self._debuggees.values() if it.id == target_id), None)
        if debuggee is not None:
            await self._bring_in(debuggee)
        target = next((it for it in self._targets() if it.id == target_id), None)
        if target is None:
            return None
        session = Session(target, write, self._closed)
        self._alone[session] = hang_up
        return session

    def _targets(self) -> Iterator[Target]:
        for debuggee in self._debuggees.values():
            yield from debuggee.targets

    def _attached(self) -> None:
        """One more editor."""
        for debuggee in self._debuggees.values():
            debuggee.searched = False
        self._enabled()

    def _enabled(self) -> None:
        """Some editor wants to know of every instance; those that are frozen come in when they are thawed."""
        for debuggee in self._debuggees.values() if self.attached else ():
            if not debuggee.asleep and not debuggee.instance.ended:
                self._own(self._bring_in(debuggee))

    def _left(self, root: Root) -> None:
        self._roots.discard(root)
        self._close_unused()

    def _closed(self, session: Session) -> None:
        self._alone.pop(session, None)
        self._close_unused()

    def _close_unused(self) -> None:
        for debuggee in self._debuggees.values():
            if not any(self._sessions(debuggee)):
                debuggee.let_go()
