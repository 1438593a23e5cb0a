"""The only place where things are put together: settings and a project become a running emulator."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from emulator.config.credentials import local_keys
from emulator.config.settings import Settings, apply_to_project
from emulator.dispatch.dispatcher import Dispatcher
from emulator.dispatch.engine import Engine
from emulator.dispatch.tasks import TaskQueue
from emulator.instance.maker import InstanceMaker, MakerOptions
from emulator.instance.messages import not_startable
from emulator.journal.crashes import CrashFiles
from emulator.journal.journal import Journal
from emulator.model.clock import Clock, SystemClock
from emulator.model.errors import FclocalError, UserError
from emulator.model.function import DEFAULT_REGION, Account, Function, Project, Revision
from emulator.model.ids import RequestIds
from emulator.model.launch import Network
from emulator.registry.registry import Registry
from emulator.runtime.interpreters import Interpreters
from emulator.runtime.spec import Catalog
from emulator.sandbox.base import Finding, Walls
from emulator.sandbox.ladder import choose_walls
from emulator.sandbox.listeners import holder_of
from emulator.scheduler.scheduler import Limits, Scheduler

if TYPE_CHECKING:
    from emulator.gateway.server import Server


class Emulator:
    """A running emulator, as an async context: everything it made is gone when it is left.

    Several may live in one process. `journal` exists before it is entered, so that a reader misses nothing. `whole`
    says that no function of the project was left out: then what none of them uses is pruned.
    Raises `UserError` where it can not start: a taken port, walls that can not be had.
    """

    def __init__(self, settings: Settings, project: Project, *, whole: bool = False) -> None:
        self.settings = settings
        self._whole = whole
        self.project = apply_to_project(settings, project)
        self.journal = Journal()
        self._catalog = Catalog.of(settings.runtimes_dir)
        self.token = secrets.token_urlsafe(24)
        self.engine: Engine
        self.walls: Walls
        self._server: Server
        self._stack = contextlib.AsyncExitStack()
        self._refused: dict[str, str] = {}
        self._findings: Sequence[Finding] = ()

    def __repr__(self) -> str:
        return f"<Emulator {self.project.file or self.project.root} {len(self.project.functions)} functions>"

    # --- start and stop, in order ---

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _start(self) -> None:
        settings, clock = self.settings, SystemClock()
        await self._build_walls()
        account = settings.account(self._region())
        registry = Registry(self.state_dir, self.journal)
        self._stack.callback(registry.close)
        self._scheduler = scheduler = self._make_scheduler(account)
        self._stack.push_async_callback(scheduler.aclose)
        dispatcher = Dispatcher(scheduler, self.journal, clock)
        tasks = TaskQueue(dispatcher, registry.latest, self.journal, clock, account)
        self._stack.push_async_callback(tasks.aclose)
        self.engine = Engine(self.project, account, registry, scheduler, dispatcher, tasks, self.journal, RequestIds())
        registry.on_change(self._moved_on)
        for function in self.project.functions:
            self._deploy(function)
        if self._whole:
            await asyncio.to_thread(registry.prune)
        self._server = self._make_server(account, clock)
        await self._server.start()
        self._findings = self.walls.findings()
        telling = asyncio.create_task(self._tell_findings())
        self._stack.push_async_callback(_end, telling)
        # What runs may finish; its own timeout ends it, if nobody asks for haste before.
        longest = max((function.timeout for function in self.project.functions), default=0.0)
        self._stack.push_async_callback(self._server.stop, longest)

    async def _build_walls(self) -> None:
        """Walls are tried by other processes; the gateway is loaded meanwhile, which takes about as long."""
        settings = self.settings
        self.state_dir.mkdir(parents=True, exist_ok=True)
        loading = asyncio.create_task(asyncio.to_thread(_load_gateway))
        try:
            self.walls = await choose_walls(
                settings.walls,
                self.state_dir,
                strict=settings.strict,
                limits=settings.limits,
                network=Network(settings.network),
            )
            self._stack.push_async_callback(self.walls.aclose)
        finally:
            await loading

    def _make_server(self, account: Account, clock: Clock) -> Server:
        # Loaded already, see `_build_walls`.
        from emulator.gateway.app import Gateway
        from emulator.gateway.auth import Auth
        from emulator.gateway.deadlines import Deadlines
        from emulator.gateway.server import make_server

        settings, keys = self.settings, local_keys(account, os.environ)
        auth = Auth(keys, self.token, self.journal, clock, verify_signatures=settings.verify_signatures)
        return make_server(
            Gateway(self.engine, self.token, auth, CrashFiles(self.state_dir)),
            settings.host,
            settings.port,
            Deadlines(header=settings.header_timeout, body=settings.body_timeout),
            holder_of,
        )

    async def _tell_findings(self) -> None:
        """What is found out about the walls when they stand already."""
        await self.walls.settled()
        for finding in self.walls.findings():
            if finding not in self._findings and not finding.full:
                self.journal.notice(str(finding))

    def _make_scheduler(self, account: Account) -> Scheduler:
        settings = self.settings
        maker = InstanceMaker(
            self.walls,
            self._catalog,
            Interpreters(),
            self.journal,
            MakerOptions(account, self.state_dir, Network(settings.network), settings.strict, settings.limits),
        )
        self._stack.callback(maker.close)
        limits = Limits(
            freeze=settings.freeze,
            freeze_after=settings.freeze_after_ms / 1000,
            keep_alive=settings.keep_alive,
            max_instances=settings.max_instances,
            queue_timeout=settings.queue_timeout,
            start_timeout=settings.start_timeout,
        )
        return Scheduler(maker, self.journal, limits)

    def _deploy(self, function: Function) -> None:
        """A function that can not be deployed is told, and does not keep the others from running."""
        try:
            self._catalog.find(function.runtime)
            self.engine.registry.deploy(function)
        except UserError as failed:
            error = type(failed)(failed.message, failed.next_step, failed.place or function.place)
            self._refused[str(function.name)] = str(error)
            self.engine.registry.refuse(function.name, not_startable(error))
            self.journal.notice(str(error), level="error", function=str(function.name))

    def _moved_on(self, old: Revision | None, new: Revision | None) -> None:
        if old is not None:
            self._scheduler.withdraw(old)
        if new is not None and new.function.provisioned:
            self._scheduler.deploy(new)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def kill(self) -> None:
        """End every instance at once, whatever it is doing; leaving the context is quick after this."""
        with contextlib.suppress(FclocalError):
            await self._scheduler.kill()

    # --- what it is ---

    @property
    def state_dir(self) -> Path:
        folder = self.settings.state_dir
        return folder if folder.is_absolute() else self.project.root / folder

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def findings(self) -> Sequence[Finding]:
        """What the walls are here, and what would lift each step down; what is found later is told by notices."""
        return self._findings

    @property
    def refused(self) -> dict[str, str]:
        """Functions that could not be deployed, and why."""
        return dict(self._refused)

    def _region(self) -> str:
        return next((function.region for function in self.project.functions), DEFAULT_REGION)


def _load_gateway() -> None:
    import emulator.gateway.app
    import emulator.gateway.server  # noqa: F401


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
