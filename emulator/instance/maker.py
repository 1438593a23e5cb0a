"""The birth of an instance: its name, its recipe, its walls."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from emulator.gpu.use import GpuMeter, GpuUse
from emulator.instance.birth import Birth
from emulator.instance.clock import Timing
from emulator.instance.control import Switchboard
from emulator.instance.deadlines import Deadlines
from emulator.instance.debugger import Debugger
from emulator.instance.instance import Instance
from emulator.instance.log import InstanceLog
from emulator.instance.ports import Assignment, PortBook
from emulator.instance.protocol import Heads
from emulator.instance.recorder import NoRecorder, Recorder
from emulator.instance.stage import NO_STAGE, Stage
from emulator.instance.templates import Templates
from emulator.journal.journal import Journal
from emulator.model import ids
from emulator.model.errors import StartFailed
from emulator.model.function import Account, Function, Revision
from emulator.model.gpu import GpuShare
from emulator.model.launch import Launch, Network, Start
from emulator.runtime.compose import ComposeRequest, Composition, compose
from emulator.runtime.debugging import DebugLink, debugpy_folder
from emulator.runtime.interpreters import Interpreters
from emulator.runtime.spec import Catalog, RuntimeSpec
from emulator.sandbox.base import LogSink, Origin, Sandbox, Walls
from emulator.sandbox.housing import Housing

if TYPE_CHECKING:
    from emulator.instance.reads import FileReads


class MakerOptions(Struct, frozen=True):
    account: Account
    state_dir: Path
    network: Network | None
    strict: bool
    limits: bool
    timing: Timing = Timing()
    recorder: Recorder | None = None
    gpu_meter: GpuMeter = field(default_factory=GpuMeter)
    stage: Stage = NO_STAGE
    # What instances are asked to tell of their starts: nothing, `1`, or `usage`, see `DebugLink`.
    trace: str = ""
    trace_reads: bool = False


class InstanceMaker:
    """Makes instances from revisions; the scheduler brings them up."""

    def __init__(
        self,
        housing: Housing,
        catalog: Catalog,
        interpreters: Interpreters,
        journal: Journal,
        options: MakerOptions,
        switchboard: Switchboard,
        debugger: Debugger,
        templates: Templates,
    ) -> None:
        self._housing = housing
        self._catalog = catalog
        self._interpreters = interpreters
        self._journal = journal
        self._options = options
        self._switchboard = switchboard
        self._debugger = debugger
        self._templates = templates
        self._tokens: dict[str, str] = {}
        self._ports = PortBook(options.network)
        self._assigned: dict[str, Assignment] = {}
        self._stubborn: set[Revision] = set()
        self._file_reads: FileReads | None = None

    def _is_measured(self, revision: Revision) -> bool:
        return self._options.trace_reads or revision.alone

    def _asked(self, revision: Revision, attach: bool) -> str:
        """What it is to tell of its start. Only who is measured has the text of modules changed, and never while
        somebody looks at it in a debugger."""
        trace = self._options.trace
        return "modules" if trace == "1" and self._is_measured(revision) and not attach else trace

    def _reads(self, revision: Revision) -> FileReads | None:
        """What notes which files an instance reads, where it is measured."""
        if not self._is_measured(revision):
            return None
        if self._file_reads is None:
            from emulator.instance.reads import FileReads  # few emulators measure

            self._file_reads = FileReads(self._journal, self._options.state_dir)
        return self._file_reads

    async def make(
        self,
        revision: Revision,
        *,
        capacity: int,
        provisioned: bool,
        deadlines: Deadlines,
        changed: Callable[[Instance], None],
        gpu: GpuShare | None = None,
    ) -> Instance:
        """An instance in STARTING, with this part of the cards; nothing runs yet. Raises `StartFailed`, `UserError`."""
        began = self._journal.now()
        spec = self._catalog.find(revision.function.runtime)
        walls = await self._housing.of(revision.function.walls)
        instance_id, launch, origin = await self._prepared(revision, spec, walls, gpu)
        log = InstanceLog(self._journal, str(revision.function.name), instance_id)
        with self._forgotten_unless_made(instance_id):
            start = Start.SPAWN if origin is None else origin.start_of(instance_id)  # asked before a spare is taken
            sandbox = _sandbox(revision, origin or walls, instance_id, launch, log.line)
            birth = Birth(
                instance_id=instance_id,
                revision=revision,
                sandbox=sandbox,
                heads=Heads(revision, self._options.account, token=spec.token_header),
                log=log,
                capacity=capacity,
                provisioned=provisioned,
                deadlines=deadlines,
                timing=self._options.timing,
                debugger=self._debugger,
                recorder=self._options.recorder or NoRecorder(),
                start=start,
                packages=self._templates.packages(revision) if origin is not None else (),
                gpu=GpuUse(gpu, sandbox.members, self._options.gpu_meter) if gpu is not None else None,
                began=began,
            )
        if gpu is None and not revision.alone:
            changed = self._templates.watching(changed, spec, walls)
        return self._introduced(birth, changed)

    def _introduced(self, birth: Birth, changed: Callable[[Instance], None]) -> Instance:
        reads = self._reads(birth.revision)
        instance = Instance(birth, self._journal, reads.watching(changed) if reads is not None else changed)
        if token := self._tokens.get(instance.id):
            self._switchboard.introduce(token, instance)
        return instance

    @contextlib.contextmanager
    def _forgotten_unless_made(self, instance_id: str) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._forget(instance_id)
            raise

    async def _prepared(
        self, revision: Revision, spec: RuntimeSpec, walls: Walls, gpu: GpuShare | None
    ) -> tuple[str, Launch, Origin | None]:
        """Its id, its launch, and where it is to come from if it is not to be spawned, as whoever holds a card is, and
        who is measured."""
        if gpu is not None or self._is_measured(revision):
            return *await self._named(revision, spec, walls, None, gpu), None
        origin = await self._templates.origin(revision, spec)
        instance_id, launch = await self._named(revision, spec, walls, origin)
        if origin is not None and not self._templates.fits(revision, launch):
            self._forget(instance_id)
            origin = None
            instance_id, launch = await self._named(revision, spec, walls, None)
        return instance_id, launch, origin or await self._templates.first_origin(revision, spec, launch, walls)

    async def _named(
        self, revision: Revision, spec: RuntimeSpec, walls: Walls, origin: Origin | None, gpu: GpuShare | None = None
    ) -> tuple[str, Launch]:
        """The id of an instance, which is that of a spare if there is one, and its launch."""
        instance_id = (origin.reserve() if origin is not None else None) or ids.instance_id()
        try:
            launch = await self._launch(revision, spec, walls, instance_id, gpu)
            await self._options.stage.prepare(instance_id, revision, launch, walls)
            return instance_id, launch
        except BaseException:
            if origin is not None:
                origin.give_back(instance_id)
            self._forget(instance_id)
            raise

    async def _launch(
        self, revision: Revision, spec: RuntimeSpec, walls: Walls, instance_id: str, gpu: GpuShare | None
    ) -> Launch:
        options, function = self._options, revision.function
        assignment: Assignment | None = None
        if spec.is_program and not function.is_one_shot:
            assignment = await self._ports.assign(instance_id, function.program.port, revision, walls)
            self._assigned[instance_id] = assignment
        network = assignment.network if assignment else options.network or Network.HOST
        request = ComposeRequest(
            instance_id=instance_id,
            account=options.account,
            state_dir=options.state_dir,
            strict=options.strict,
            mounts=walls.mounts,
            overlays=walls.overlays,
            inherits=walls.inherits,
            shares_sockets=walls.shares_sockets,
            network=network,
            interpreters=self._interpreters,
            limits=options.limits,
            port=assignment.port if assignment else None,
            debug=await self._debug_link(instance_id, revision, walls),
            debug_port=self._debug_port(instance_id, function, network),
            gpu=gpu,
            through=options.stage.through(instance_id, function, mounts=walls.mounts),
            reads=await reads.link(instance_id, walls) if (reads := self._reads(revision)) is not None else None,
        )
        with self._journal.span("compose", str(function.name), instance_id):
            composition = _composer(spec)(revision, spec, request)
        for notice in composition.notices:
            self._journal.notice(notice, function=str(function.name))
        return composition.launch

    def _debug_port(self, instance_id: str, function: Function, network: Network) -> int | None:
        if function.debugger is None:
            return None
        return self._ports.assign_another(instance_id, function.debugger.port, network)

    async def _debug_link(self, instance_id: str, revision: Revision, walls: Walls) -> DebugLink | None:
        switchboard = self._switchboard
        if switchboard.path is None:
            return None
        where = switchboard.path if walls.shares_sockets else await switchboard.port()
        token = self._tokens[instance_id] = switchboard.admit()
        attach = self._debugger.expect(instance_id, revision)
        return DebugLink(
            where,
            token,
            attach,
            debugpy_folder(),
            postmortem=self._options.recorder is not None,
            trace=self._asked(revision, attach),
            in_image=revision.function.in_image,
        )

    @contextlib.asynccontextmanager
    async def turn(self, instance: Instance) -> AsyncIterator[None]:
        """Around the start of an instance: others with its port start first. Raises `PortTaken` where that is why it
        did not start, or is known to be."""
        assignment, port = self._assigned.get(instance.id), instance.revision.function.program.port
        moved = assignment is not None and assignment.moved
        walls = await self._housing.of(instance.revision.function.walls)
        if moved:
            await self._ports.opened_by_its_owner(port)
            if instance.revision in self._stubborn:
                raise self._ports.conflict(port, walls)
        try:
            yield
        except StartFailed as failed:
            if not moved or not self._ports.is_taken(port):
                raise
            self._stubborn.add(instance.revision)
            raise self._ports.conflict(port, walls) from failed
        finally:
            self._ports.note_open(instance.id)

    def release(self, instance: Instance) -> None:
        self._forget(instance.id)

    def _forget(self, instance_id: str) -> None:
        self._assigned.pop(instance_id, None)
        self._switchboard.dismiss(self._tokens.pop(instance_id, ""))
        self._ports.release(instance_id)
        self._options.stage.release(instance_id)
        if self._file_reads is not None:
            self._file_reads.forget(instance_id)

    def close(self) -> None:
        self._ports.close()


def _sandbox(revision: Revision, source: Origin | Walls, instance_id: str, launch: Launch, logs: LogSink) -> Sandbox:
    def walled(wanted: Launch) -> Sandbox:
        return source.sandbox(instance_id, wanted, logs)

    if not revision.function.is_one_shot:
        return walled(launch)
    from emulator.sandbox.oneshot import OneShotSandbox  # few functions are

    return OneShotSandbox(launch, walled)


def _composer(spec: RuntimeSpec) -> Callable[[Revision, RuntimeSpec, ComposeRequest], Composition]:
    if not spec.is_image:
        return compose
    from emulator.runtime.container import compose_container  # few projects have images

    return compose_container
