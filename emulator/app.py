"""The only place where things are put together: settings and a project become a running emulator."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import msgspec

from emulator.companions import Companions
from emulator.config.credentials import local_keys
from emulator.config.settings import OF_FUNCTIONS, Settings, apply_to_project, changed_options
from emulator.config.settings_file import SETTINGS_FILE
from emulator.debug.desk import Desk
from emulator.debug.options import DebugOptions
from emulator.debug.postmortem.at_need import RecorderAtNeed
from emulator.dispatch.deployments import Deployments
from emulator.dispatch.dispatcher import Dispatcher
from emulator.dispatch.engine import Engine
from emulator.dispatch.freshness import AlwaysFresh
from emulator.dispatch.tasks import TaskQueue
from emulator.gpu.pool import GpuPool, open_gpus
from emulator.instance.clock import Timing
from emulator.instance.control import Switchboard
from emulator.instance.maker import InstanceMaker, MakerOptions
from emulator.instance.platform_clock import PlatformClock
from emulator.instance.stage import make_stage
from emulator.instance.templates import TemplateOptions, Templates
from emulator.instance.traces import ask_for_traces
from emulator.journal.crashes import CrashFiles
from emulator.journal.journal import Journal
from emulator.model.clock import Clock, SystemClock
from emulator.model.errors import FclocalError
from emulator.model.function import Account, BuildStep, Function, Place, Project, Revision
from emulator.model.ids import RequestIds
from emulator.model.lifecycle import StopReason
from emulator.registry.registry import Registry
from emulator.reload.guards import Guards
from emulator.runtime.interpreters import Interpreter, Interpreters
from emulator.runtime.spec import Catalog
from emulator.sandbox.base import Finding
from emulator.sandbox.housing import Housing, open_housing
from emulator.sandbox.listeners import holder_of
from emulator.scheduler.scheduler import Scheduler
from emulator.scheduler.views import Limits

if TYPE_CHECKING:
    from emulator.gateway.server import Server
    from emulator.reload.home import Read
    from emulator.reload.keeper import Keeper
    from emulator.reload.reloader import Reloader

# What is ready later than the server is waited for: a save right after the start counts too, in all but huge folders.
WATCHING_SECONDS = 0.25

Reread = Callable[[], tuple[Settings, Project]]


class Emulator:
    """A running emulator, as an async context: everything it made is gone when it is left.

    Several may live in one process. `journal` exists before it is entered, so that a reader misses nothing. `whole`
    says that no function of the project was left out: then what none of them uses is pruned. `reread` reads settings
    and project again when their files have changed; without it only code is watched, where `settings.reload` says so,
    and nothing answers before all images are there.
    Raises `UserError` where it can not start: a taken port, walls that can not be had.
    """

    def __init__(
        self, settings: Settings, project: Project, *, whole: bool = False, reread: Reread | None = None
    ) -> None:
        self.settings = settings
        self._whole = whole
        self._reread = reread
        self.project = apply_to_project(settings, project)
        self.journal = Journal()
        self.platform = PlatformClock(self.journal)
        self.switchboard = Switchboard()
        self._desk = Desk(self.switchboard, self.journal, self._debug_options())
        self.deployments: Deployments
        self._catalog = Catalog.of(settings.runtimes_dir)
        self._interpreters = Interpreters()
        self.token = secrets.token_urlsafe(24)
        self.engine: Engine
        self.walls: Housing
        self._gpus: GpuPool
        self._server: Server
        self._stack = contextlib.AsyncExitStack()
        self._keeper: Keeper | None = None
        self._recorder: RecorderAtNeed | None = None
        self._findings: Sequence[Finding] = ()
        self._project_listeners: list[Callable[[Project], None]] = []
        self._companions = Companions(self)

    def __repr__(self) -> str:
        return f"<Emulator {self.project.file or self.project.root} {len(self.project.functions)} functions>"

    # --- start and stop, in order ---

    async def __aenter__(self) -> Self:
        self._stack.push_async_callback(self._companions.aclose)
        try:
            await self._start()
            self._companions.start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _start(self) -> None:
        settings, clock, crashes = self.settings, SystemClock(), CrashFiles(self.state_dir)
        await self._build_walls()
        await self.switchboard.open(self.walls.process.sockets)
        self._stack.push_async_callback(self.switchboard.aclose)
        self._stack.push_async_callback(self._desk.aclose)
        account = settings.account(self.project.region)
        registry = Registry(self.state_dir, self.journal)
        self._stack.callback(registry.close)
        self.deployments = Deployments(registry, self._catalog, self.journal, crashes, settings.image_registry)
        # After all instances, whose images may be removed then.
        self._stack.push_async_callback(self.deployments.aclose)
        self._scheduler = scheduler = self._make_scheduler(account)
        self._stack.push_async_callback(scheduler.aclose)
        dispatcher = Dispatcher(scheduler, self.journal)
        reloader = self._make_reloader(registry)
        freshness = reloader or AlwaysFresh()
        clocks, platform = scheduler.clocks, self.platform
        tasks = TaskQueue(dispatcher, registry.find, self.journal, clock, clocks, platform, account, freshness)
        self._stack.push_async_callback(tasks.aclose)
        self.engine = Engine(
            self.project, account, registry, scheduler, dispatcher, tasks, self.journal, RequestIds(), freshness
        )
        registry.on_change(self._moved_on)
        await self._deploy_all(registry)
        if reloader is not None:
            self._stack.push_async_callback(reloader.aclose)
            reloader.start()
        self._server = self._make_server(account, clock)
        await self._server.start()
        if reloader is not None:
            await reloader.watching(WATCHING_SECONDS)
        self._findings = self.walls.findings()
        telling = asyncio.create_task(self._tell_findings())
        self._stack.push_async_callback(_end, telling)
        # What runs may finish; its own timeout ends it, if nobody asks for haste before.
        self._stack.push_async_callback(lambda: self._server.stop(self.project.longest_timeout))
        self._stack.callback(self._end_waiting)
        # Before all else: what an editor has paused runs on, and ends as anything does.
        self._stack.push_async_callback(self._desk.aclose)

    def _end_waiting(self) -> None:
        """What would keep the server from its end: pauses, and answers that have none."""
        self._companions.end_waiting()
        self._scheduler.end_pauses()

    async def _deploy_all(self, registry: Registry) -> None:
        self._stack.push_async_callback(self.deployments.stop)
        await self.deployments.deploy_all(self.project.functions, later=self._reread is not None)
        if self._whole:
            await asyncio.to_thread(registry.prune)

    async def _build_walls(self) -> None:
        """Walls are tried by other processes; the gateway is loaded meanwhile, which takes about as long. Then cards
        are found that instances can be given."""
        settings = self.settings
        self.state_dir.mkdir(parents=True, exist_ok=True)
        loading = asyncio.create_task(asyncio.to_thread(_load_gateway, settings.reload))
        try:
            self.walls = await open_housing(settings, self.state_dir)
            self._stack.push_async_callback(self.walls.aclose)
        finally:
            await loading
        self.walls.require_cpu(settings, self.project)
        gpus = open_gpus(settings, self.project, self.state_dir, self.journal.notice, self.walls.process.mounts)
        self._gpus = await self._stack.enter_async_context(gpus)

    def _make_server(self, account: Account, clock: Clock) -> Server:
        # Loaded already, see `_build_walls`.
        from emulator.gateway.app import Gateway
        from emulator.gateway.auth import Auth
        from emulator.gateway.deadlines import Deadlines
        from emulator.gateway.server import make_server

        settings, keys = self.settings, local_keys(account, os.environ)
        auth = Auth(keys, self.token, self.journal, clock, verify_signatures=settings.verify_signatures)
        gateway = Gateway(self.engine, self.token, auth, CrashFiles(self.state_dir), self._companions.pages())
        self.on_project(gateway.know)
        return make_server(
            gateway,
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

    def _make_recorder(self, account: Account) -> RecorderAtNeed | None:
        if self.settings.postmortem:
            most = self.settings.postmortems_kept
            self._recorder = RecorderAtNeed(self.state_dir, most, self.journal, self.switchboard, account)
            self._stack.push_async_callback(self._recorder.aclose)
        return self._recorder

    def _trace(self) -> str:
        asked = self.settings.trace or self.settings.trace_usage
        return ask_for_traces(self.switchboard, self.journal, usage=self.settings.trace_usage) if asked else ""

    def _make_scheduler(self, account: Account) -> Scheduler:
        settings, recorder = self.settings, self._make_recorder(account)
        guarding = Guards(self.state_dir).guarding
        templates = Templates(self.journal, TemplateOptions.of(settings, self.state_dir), self.platform, guarding)
        self._stack.push_async_callback(templates.aclose)
        stage = make_stage(settings.conditions, self.journal, self.state_dir)
        self._stack.push_async_callback(stage.aclose)
        maker = InstanceMaker(
            self.walls,
            self._catalog,
            self._interpreters,
            self.journal,
            MakerOptions(
                account,
                self.state_dir,
                settings.instance_network,
                settings.strict,
                settings.limits,
                self._timing(),
                recorder=recorder,
                gpu_meter=self._gpus.meter,
                stage=stage,
                trace=self._trace(),
                trace_reads=settings.trace_reads,
            ),
            self.switchboard,
            self._desk.debugger,
            templates,
        )
        self._stack.callback(maker.close)
        return Scheduler(maker, self.journal, Limits.of(settings), self._gpus, self.platform)

    def _moved_on(self, old: Revision | None, new: Revision | None) -> None:
        over = self._goes_over(old, new)
        if old is not None and not over:
            self._scheduler.withdraw(old)
        if new is not None and new.function.provisioned:
            self._scheduler.deploy(new)

    # --- what changes while it runs ---

    def _make_reloader(self, registry: Registry) -> Reloader | None:
        settings = self.settings
        if not settings.reload:
            return None
        from emulator.reload.reloader import Reloader  # calls that start an emulator for themselves need none

        return Reloader(self, registry, self.journal, self.state_dir, settings.reload_debounce_ms / 1000)

    @property
    def writes_code(self) -> bool:
        """Whether what functions write to /code lands in their code folder."""
        return not self.walls.process.mounts and not self.settings.strict

    async def build(self, function: Function, command: str, sink: Callable[[bytes], None]) -> None:
        """Run a command in the project's folder, as `fclocal build` does. Raises `UserError`."""
        from emulator.reload.guarded import run_guarded  # as above

        step = BuildStep(command, self.project.root, place=Place(SETTINGS_FILE))
        spec = self._catalog.specs.get(function.runtime)
        await run_guarded(function, [step], spec, self._interpreters, sink)

    def _goes_over(self, old: Revision | None, new: Revision | None) -> bool:
        """Whether the instances of a revision go on with the code of the next one."""
        if self._keeper is None:
            if new is None or new.function.keep is None or not self.settings.reload:
                return False
            from emulator.reload.keeper import Keeper  # few functions keep what they have loaded

            self._keeper = Keeper(self._scheduler, self.engine.registry.contents, self.journal)
        return self._keeper.moved_on(old, new)

    def interpreter_of(self, function: Function, command: str) -> Interpreter | None:
        """That which runs a function in a language, or None."""
        from emulator.reload.syntax import interpreter_of  # as above

        return interpreter_of(function, command, self._catalog, self._interpreters)

    def on_project(self, listener: Callable[[Project], None]) -> None:
        """`listener` is told of each project that takes the place of the one before."""
        self._project_listeners.append(listener)

    def read(self) -> Read:
        """Settings and project as they are on the disk now. Raises `UserError`."""
        from emulator.reload.home import Read  # as above

        settings, project = self._reread() if self._reread is not None else (self.settings, self.project)
        return Read(settings, apply_to_project(settings, project))

    def know(self, read: Read) -> None:
        """The project is this one from now on. Of the settings, only those about functions can change."""
        if others := changed_options(self.settings, read.settings):
            self.journal.notice(f"to change {', '.join(others)}, stop and start again")
        self.settings = replace(
            self.settings, **{name: getattr(read.settings, name) for name in ("functions", *OF_FUNCTIONS)}
        )
        self.project = self.engine.project = read.project
        for listener in self._project_listeners:
            listener(read.project)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def kill(self) -> None:
        """End every instance at once, whatever it is doing; leaving the context is quick after this."""
        self._companions.end_waiting()
        if self._recorder is not None:
            self._recorder.end()
        with contextlib.suppress(FclocalError):
            await self._scheduler.kill()

    async def open_debug_port(self) -> None:
        """Let editors attach from now on, at `debug_port`. Raises `UserError`."""
        await self._desk.open(self.state_dir, self.settings.debug_port, self.settings.debug_node_port)

    def _debug_options(self) -> DebugOptions:
        stops: Literal["one", "all"] = "all" if self.settings.debug_stops == "all" else "one"
        return DebugOptions(always=self.settings.debug, stops=stops, restart=self._replace_instances)

    def _timing(self) -> Timing:
        return msgspec.convert({"timeout": self.settings.debug_timeout, "grace": self.settings.debug_grace}, Timing)

    def _replace_instances(self) -> None:
        for instance in self._scheduler.instances():
            instance.condemn(StopReason.REPLACED)

    # --- what it is ---

    @property
    def debug_port(self) -> int:
        """Where editors attach; 0 while they can not."""
        return self._desk.port

    @property
    def debug_node_port(self) -> int:
        """Where they attach to Node.js."""
        return self._desk.node_port

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
    def refused(self) -> Mapping[str, str]:
        """Functions that could not be deployed, and why."""
        return self.deployments.refused


def _load_gateway(reload: bool) -> None:
    import emulator.gateway.app
    import emulator.gateway.server

    if reload:
        import emulator.reload.reloader  # noqa: F401


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
