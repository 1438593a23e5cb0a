"""Declared functions become revisions; what can not be one is told, and keeps no other from running."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from emulator.instance.messages import not_startable
from emulator.journal.crashes import CrashFiles
from emulator.journal.journal import Journal
from emulator.model.errors import FunctionPending, NoEngine, UserError
from emulator.model.events import RevisionRefused
from emulator.model.function import Function, FunctionName
from emulator.model.launch import WallsKind
from emulator.registry.registry import Registry
from emulator.runtime.spec import Catalog, RuntimeSpec

if TYPE_CHECKING:
    from emulator.instance.images import Images

# How soon it is noticed that an engine was started.
LOOK_SECONDS = 2.0


class Deployments:
    """`refused` are the functions that have no revision, and why. What only lacks a container engine is deployed when
    one is started."""

    def __init__(
        self, registry: Registry, catalog: Catalog, journal: Journal, crashes: CrashFiles, image_registry: str = ""
    ) -> None:
        self._registry = registry
        self._catalog = catalog
        self._journal = journal
        self._crashes = crashes
        self._image_registry = image_registry
        self._images: Images | None = None
        self._refused: dict[str, str] = {}
        self._awaiting: dict[FunctionName, Function] = {}
        self._looking: asyncio.Task[None] | None = None
        # Functions whose images are made while others answer already, in the order in which that is done.
        self._pending: dict[FunctionName, Function] = {}
        self._preparing: asyncio.Task[None] | None = None
        self._one_settled = asyncio.Event()

    @property
    def pending(self) -> Collection[str]:
        """Functions that wait for their images, and answer as FC's do in this state (runtime-contract.md §1.8)."""
        return [str(name) for name in self._pending]

    async def deploy_all(self, functions: Sequence[Function], *, later: bool) -> None:
        """Deploy each; those whose images have to be built or pulled may come `later`, one after the other."""
        for function in functions:
            if later and not await self._at_hand(function):
                self._pending[function.name] = function
                container = function.custom_container
                image = container.image if container is not None else ""
                self._registry.refuse(function.name, FunctionPending(str(function.name), image))
            else:
                await self.deploy(function)
        if self._pending:
            self._preparing = asyncio.get_running_loop().create_task(self._prepare_pending())

    async def _at_hand(self, function: Function) -> bool:
        if function.custom_container is None:
            return True
        try:
            return await self._all_images().at_hand(function)
        except UserError:
            return True  # what is wrong is told by deploying it

    async def _prepare_pending(self) -> None:
        for function in [*self._pending.values()]:
            if self._pending.get(function.name) is function:
                await self._deploy_unasked(function, "its image is there")

    async def _deploy_unasked(self, function: Function, why: str) -> None:
        """Nobody is there to catch a fault of ours, which must keep no other function from its turn."""
        try:
            await self.deploy(function, [why])
        except Exception as fault:
            self._refuse(function, UserError(self._crashes.line(fault, "while a function was deployed")))

    async def settled(self) -> None:
        """Returns when one function less is pending."""
        self._one_settled.clear()
        await self._one_settled.wait()

    @property
    def refused(self) -> Mapping[str, str]:
        return dict(self._refused)

    async def deploy(self, function: Function, changed: Sequence[str] | None = None) -> None:
        """Make a revision; where its image is not known, that is looked up, built or pulled before.

        The last revision stays where that fails. `changed` is as `Registry.deploy` has it.
        """
        name = str(function.name)
        self._awaiting.pop(function.name, None)
        waited = self._pending.get(function.name) is function
        try:
            spec = self._catalog.find(function.runtime)
            prepared = await self._prepared(function, spec)
            if waited and not self._registry.is_refused(function.name):
                return  # it was taken out of the project meanwhile
            self._registry.deploy(prepared, changed)
            self._refused.pop(name, None)
        except UserError as error:
            self._refuse(function, error)
            if isinstance(error, NoEngine):
                self._await_engine(function)
        finally:
            # Also where this is a later declaration of it, which comes in place of the one that waits.
            if self._pending.pop(function.name, None) is not None:
                self._one_settled.set()

    def _await_engine(self, function: Function) -> None:
        self._awaiting[function.name] = function
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_for_engine())

    async def _look_for_engine(self) -> None:
        while self._awaiting:
            await asyncio.sleep(LOOK_SECONDS)
            if await self._all_images().engine_is_there():
                for function in [*self._awaiting.values()]:
                    await self._deploy_unasked(function, "a container engine was started")

    async def build_image(self, function: Function) -> None:
        """Build the image of a function again. Raises `UserError`."""
        await self._all_images().rebuilt(function)

    def as_deployed(self, function: Function) -> Function:
        """The function with what is known of its image."""
        return function if self._images is None else self._images.known(function)

    async def stop(self) -> None:
        """Deploy no more by itself."""
        for task in (self._looking, self._preparing):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])

    async def aclose(self) -> None:
        if self._images is not None:
            await self._images.aclose()

    async def _prepared(self, function: Function, spec: RuntimeSpec) -> Function:
        if spec.is_image:
            return await self._all_images().prepared(function)
        if function.walls is WallsKind.CONTAINER:
            return await self._all_images().of_runtime(function, spec)
        return function

    def _all_images(self) -> Images:
        if self._images is None:
            from emulator.instance.images import Images  # few projects have images, and it takes long to load

            self._images = Images(self._journal, self._image_registry)
        return self._images

    def _refuse(self, function: Function, failed: UserError) -> None:
        error = UserError(failed.message, failed.next_step, failed.place or function.place)
        kept = self._registry.latest(function.name)
        if kept is not None:
            place = str(error.place or "")
            self._journal.append(
                RevisionRefused(self._journal.now(), str(function.name), kept.number, place, error.message)
            )
            return
        self._refused[str(function.name)] = str(error)
        self._registry.refuse(function.name, not_startable(error))
        self._journal.notice(str(error), level="error", function=str(function.name))
