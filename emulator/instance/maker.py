"""The birth of an instance: its name, its recipe, its walls."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from emulator.instance.deadlines import Deadlines
from emulator.instance.instance import Birth, Instance
from emulator.instance.log import InstanceLog
from emulator.instance.ports import Assignment, PortBook
from emulator.instance.protocol import Heads
from emulator.journal.journal import Journal
from emulator.model import ids
from emulator.model.errors import StartFailed
from emulator.model.function import Account, Revision
from emulator.model.launch import Launch, Network
from emulator.runtime.compose import ComposeRequest, compose
from emulator.runtime.interpreters import Interpreters
from emulator.runtime.spec import Catalog, RuntimeSpec
from emulator.sandbox.base import Walls


@dataclass(frozen=True, slots=True)
class MakerOptions:
    account: Account
    state_dir: Path
    network: Network
    strict: bool
    limits: bool


class InstanceMaker:
    """Makes instances from revisions; the scheduler brings them up."""

    def __init__(
        self, walls: Walls, catalog: Catalog, interpreters: Interpreters, journal: Journal, options: MakerOptions
    ) -> None:
        self._walls = walls
        self._catalog = catalog
        self._interpreters = interpreters
        self._journal = journal
        self._options = options
        self._ports = PortBook(options.network, walls)
        self._assigned: dict[str, Assignment] = {}
        self._stubborn: set[Revision] = set()

    async def make(
        self,
        revision: Revision,
        *,
        capacity: int,
        provisioned: bool,
        deadlines: Deadlines,
        changed: Callable[[Instance], None],
    ) -> Instance:
        """An instance in STARTING; nothing runs yet. Raises `StartFailed`, `ConfigError`, `UserError`."""
        instance_id = ids.instance_id()
        try:
            spec = self._catalog.find(revision.function.runtime)
            launch = await self._launch(revision, spec, instance_id)
            log = InstanceLog(self._journal, str(revision.function.name), instance_id)
            birth = Birth(
                instance_id=instance_id,
                revision=revision,
                sandbox=self._walls.sandbox(instance_id, launch, log.line),
                heads=Heads(revision, self._options.account, token=spec.token_header),
                log=log,
                capacity=capacity,
                provisioned=provisioned,
                deadlines=deadlines,
            )
        except BaseException:
            self._forget(instance_id)
            raise
        return Instance(birth, self._journal, changed)

    async def _launch(self, revision: Revision, spec: RuntimeSpec, instance_id: str) -> Launch:
        options, function = self._options, revision.function
        assignment: Assignment | None = None
        if spec.is_program:
            assignment = await self._ports.assign(instance_id, function.custom_runtime.port)
            self._assigned[instance_id] = assignment
        request = ComposeRequest(
            instance_id=instance_id,
            account=options.account,
            state_dir=options.state_dir,
            strict=options.strict,
            mounts=self._walls.mounts,
            overlays=self._walls.overlays,
            network=assignment.network if assignment else options.network,
            interpreters=self._interpreters,
            limits=options.limits,
            port=assignment.port if assignment else None,
        )
        with self._journal.span("compose", str(function.name), instance_id):
            composition = compose(revision, spec, request)
        for notice in composition.notices:
            self._journal.notice(notice, function=str(function.name))
        return composition.launch

    @contextlib.asynccontextmanager
    async def turn(self, instance: Instance) -> AsyncIterator[None]:
        """Around the start of an instance: others with its port start first. Raises `PortTaken` where that is why it
        did not start, or is known to be."""
        assignment, port = self._assigned.get(instance.id), instance.revision.function.custom_runtime.port
        moved = assignment is not None and assignment.moved
        if moved:
            await self._ports.opened_by_its_owner(port)
            if instance.revision in self._stubborn:
                raise self._ports.conflict(port)
        try:
            yield
        except StartFailed as failed:
            if not moved or not self._ports.is_taken(port):
                raise
            self._stubborn.add(instance.revision)
            raise self._ports.conflict(port) from failed
        finally:
            self._ports.note_open(instance.id)

    def release(self, instance: Instance) -> None:
        self._forget(instance.id)

    def _forget(self, instance_id: str) -> None:
        self._assigned.pop(instance_id, None)
        self._ports.release(instance_id)

    def close(self) -> None:
        self._ports.close()
