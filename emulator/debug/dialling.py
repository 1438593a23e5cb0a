"""Dialling the debuggers that listen inside of instances: at an instance's birth, when an editor comes, or at thaw."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from emulator.debug.dialled import Dialled
from emulator.debug.peer import Failed, PeerGone
from emulator.instance.instance import Instance
from emulator.journal.journal import Journal
from emulator.model.function import Revision
from emulator.model.launch import TcpEndpoint

if TYPE_CHECKING:
    from emulator.debug.router import Router

# Delve listens after 30 ms. A request waits for a debugger that does not for so long, and only for the first such one.
WAIT_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 0.5


class Dialling:
    """Each debugger is dialled once for an editor. What it does is its own affair: nothing waits for it for long."""

    def __init__(self, journal: Journal, router: Router) -> None:
        self._journal = journal
        self._router = router
        self._tried: dict[str, asyncio.Task[None]] = {}
        # A handshake that was begun is ended, also where its editor has left meanwhile.
        self._dialled: set[str] = set()
        self._slow: set[Revision] = set()

    def can_dial(self, instance: Instance) -> bool:
        return instance.sandbox.launch.debug_port is not None and instance.id not in self._tried

    async def attach(self, instance: Instance) -> None:
        """Returns when its debugger knows all breakpoints, or keeps us waiting; if it comes later, so much the
        better."""
        if not self.can_dial(instance):
            return
        task = self._tried[instance.id] = self._router.own(self._attach(instance))
        if instance.revision in self._slow:
            return
        either: set[asyncio.Future[Any]] = {task, instance.sandbox.exited}
        await asyncio.wait(either, timeout=WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not task.done() and not instance.sandbox.exited.done():
            self._slow.add(instance.revision)
            port = instance.sandbox.launch.debug_port
            text = f"its debugger does not listen on port {port}, or does not answer: it goes on without"
            self._journal.notice(text, function=instance.function)

    def forget(self, instance: Instance) -> None:
        task = self._tried.pop(instance.id, None)
        if task is not None:
            task.cancel()

    def leave(self) -> None:
        """The editor has left: the next one dials anew."""
        for instance_id, task in self._tried.items():
            if instance_id not in self._dialled:
                task.cancel()
        self._tried.clear()
        self._slow.clear()

    async def _attach(self, instance: Instance) -> None:
        port = instance.sandbox.launch.debug_port
        config = instance.revision.function.debugger
        if port is None or config is None:
            return
        await self._listens(instance, port)
        self._dialled.add(instance.id)
        process = Dialled(instance, self._router.names.of(instance), config.attach, self._router)
        try:
            async with self._router.loading.held(instance):
                await self._dial(process, port)
        except (PeerGone, Failed, TimeoutError, OSError) as error:
            process.peer.close()
            reason = str(error) or ("it does not answer" if isinstance(error, TimeoutError) else "it hung up")
            self._journal.notice(f"{process.name} can not be debugged: {reason}", function=instance.function)
        except BaseException:
            process.peer.close()
            raise
        finally:
            self._dialled.discard(instance.id)

    async def _listens(self, instance: Instance, port: int) -> None:
        """A process of the instance does: on the host's network the port may be anybody's. And so does the program:
        Delve listens before it lets that go, and whoever comes between finds two who make it run."""
        endpoint = instance.sandbox.launch.endpoint
        wanted = {port, *((endpoint.port,) if isinstance(endpoint, TcpEndpoint) else ())}
        pause = FIRST_PAUSE_SECONDS
        while not wanted <= {it.port for it in instance.sandbox.listeners()}:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)

    async def _dial(self, process: Dialled, port: int) -> None:
        instance = process.instance
        dialled = await instance.sandbox.dial(port)
        await asyncio.get_running_loop().create_connection(lambda: process.peer, sock=dialled)
        self._router.adopt(process)
        instance.clock.attach(True)
        await process.configure({}, self._router.breakpoints)
        await process.list_threads()
