"""What the program of a `custom-container` function is started from: its image, built or pulled, or its Dockerfile."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from emulator.config.dockerfile import describe, read
from emulator.journal.journal import Journal
from emulator.model.errors import NoEngine, SandboxError
from emulator.model.events import ImageProgress, Notice
from emulator.model.function import Function, FunctionName
from emulator.model.image import Copied, Image
from emulator.model.launch import WallsKind
from emulator.model.program import CustomContainer
from emulator.runtime.images import runtime_images
from emulator.runtime.spec import RuntimeSpec
from emulator.sandbox.container.builds import Context, Recipe, build
from emulator.sandbox.container.engine import Engine
from emulator.sandbox.container.labels import MADE_OF
from emulator.sandbox.container.store import Stored, Tell, find, pull, remove

# Debuggers look through all of them for each file.
MOST_NAMED = 200


class Images:
    """Knows the image of each function once it was `prepared`. Behind process walls there is none: the Dockerfile says
    then what runs on this machine."""

    def __init__(self, journal: Journal, registry: str = "") -> None:
        self._engine: Engine | None = None
        self._registry = registry
        self._journal = journal
        self._known: dict[FunctionName, tuple[WallsKind, CustomContainer]] = {}
        self._replaced: set[str] = set()
        self._of_runtimes: dict[str, Image] = {}
        self._turn = asyncio.Lock()

    async def aclose(self) -> None:
        if self._engine is not None:
            await self._remove_replaced(self._engine)
            await self._engine.aclose()

    def known(self, function: Function) -> Function:
        """The function with what is known of its image; nothing is, before it was prepared as it is declared now."""
        if function.walls is WallsKind.CONTAINER and function.runtime in self._of_runtimes:
            return replace(function, image=self._of_runtimes[function.runtime])
        container = function.custom_container
        walls, known = self._known.get(function.name, (None, None))
        if container is None or known is None or walls is not function.walls:
            return function
        return function if _as_declared(known) != _as_declared(container) else replace(function, custom_container=known)

    async def of_runtime(self, function: Function, spec: RuntimeSpec) -> Function:
        """A function of a built-in runtime with the image for that, where there is one: FC's own, else one that was
        made here. None is pulled. Raises `SandboxError`."""
        engine = await self._connected()
        self._of_runtimes.pop(function.runtime, None)
        for reference in runtime_images(spec, self._registry):
            if stored := await find(engine, reference):
                self._of_runtimes[function.runtime] = stored.image
                break
        else:
            if not engine.is_near:
                raise SandboxError(
                    f"{engine.url} runs containers on another kernel, where this machine's programs are not seen, "
                    f"and there is no image for {function.runtime}",
                    f"fclocal images pull {function.runtime}, or fclocal images build {function.runtime}, then again",
                )
        return self.known(function)

    async def prepared(self, function: Function) -> Function:
        """The same, with the image looked up now where it is not known: built by its Dockerfile where it is not there,
        or was built here and is out of date; else pulled, once.

        Raises `SandboxError`, of a build `BuildFailed`.
        """
        known = self.known(function)
        if known.custom_container is None or known.custom_container.resolved is not None:
            return known
        async with self._turn:  # the layers of one image are of use for the next
            await self._find(function, known.custom_container, again=False)
        return self.known(function)

    async def at_hand(self, function: Function) -> bool:
        """Whether `prepared` has nothing to build or to pull. Raises `SandboxError`."""
        container = function.custom_container
        if container is None or not container.image or function.walls is not WallsKind.CONTAINER:
            return True
        stored = await find(await self._connected(), container.image)
        if stored is None or container.context is None:
            return stored is not None
        return not await asyncio.to_thread(_is_out_of_date, stored, container)

    async def rebuilt(self, function: Function) -> Function:
        """The same, after something changed in its folder. Raises as `prepared`; what was known stays then."""
        container = function.custom_container
        if container is not None:
            async with self._turn:
                await self._find(function, container, again=True)
        return self.known(function)

    async def engine_is_there(self) -> bool:
        """Whether an engine answers by now."""
        try:
            await self._connected()
        except NoEngine:
            return False
        return True

    async def _connected(self) -> Engine:
        self._engine = self._engine or await Engine.connect(os.environ)
        return self._engine

    async def _find(self, function: Function, container: CustomContainer, *, again: bool) -> None:
        if not container.image:
            return
        if function.walls is WallsKind.CONTAINER:
            stored = await self._stored(function, container, again)
            copied = await asyncio.to_thread(_copied, container)
            found = replace(container, resolved=stored.image, copied=copied, made_of="")
        else:
            found = await asyncio.to_thread(_described, container)
        self._known[function.name] = (function.walls, found)

    async def _stored(self, function: Function, container: CustomContainer, again: bool) -> Stored:
        engine = await self._connected()
        stored = await find(engine, container.image)
        if container.context is None:
            return stored or await self._pulled(engine, function, container)
        if again or stored is None or await asyncio.to_thread(_is_out_of_date, stored, container):
            await self._remove_replaced(engine)
            built = await self._build(engine, function, container, again)
            if stored is not None and stored.image.id != built.image.id and MADE_OF in stored.labels:
                self._replaced.add(stored.image.id)
            self._replaced.discard(built.image.id)
            return built
        return stored

    async def _remove_replaced(self, engine: Engine) -> None:
        """Images of earlier revisions, unless an instance has them still: each edit would leave one for ever. The one
        that was replaced last waits for the next build, since its revision serves until there is another."""
        for image in [*self._replaced]:
            if await remove(engine, image):
                self._replaced.discard(image)

    async def _pulled(self, engine: Engine, function: Function, container: CustomContainer) -> Stored:
        with self._journal.span("image_pull", str(function.name), ""):
            return await pull(engine, container.image, self._teller(function, container))

    async def _build(self, engine: Engine, function: Function, container: CustomContainer, again: bool) -> Stored:
        assert container.context is not None  # noqa: S101 - the caller has seen it
        began, tell = time.monotonic(), self._teller(function, container)
        recipe = Recipe(container.context, container.image, container.build_args)
        with self._journal.span("image_build", str(function.name), ""):
            stored = await build(engine, recipe, tell)
        if not again:
            took = f"built the image {container.image} in {time.monotonic() - began:.1f} s"
            self._journal.append(Notice(self._journal.now(), "info", took, str(function.name)))
        return stored

    def _teller(self, function: Function, container: CustomContainer) -> Tell:
        def tell(text: str) -> None:
            self._journal.append(ImageProgress(self._journal.now(), str(function.name), container.image, text))

        return tell


def _as_declared(container: CustomContainer) -> CustomContainer:
    return replace(container, resolved=None, copied=(), base="", made_of="", build_args=dict(container.build_args))


def _is_out_of_date(stored: Stored, container: CustomContainer) -> bool:
    """Only what was built here can be: an image of the same name that somebody else made is what he wants."""
    made_of = stored.labels.get(MADE_OF)
    return made_of is not None and container.context is not None and made_of != _digest(container)


def _described(container: CustomContainer) -> CustomContainer:
    """What the Dockerfile says of an image that is not used."""
    text = read(container.context) if container.context is not None else None
    found = describe(text or "", container.image, container.build_args)
    return replace(container, resolved=found.image, copied=found.copied, base=found.base, made_of=_digest(container))


def _copied(container: CustomContainer) -> tuple[Copied, ...]:
    """What the image holds of the Dockerfile's folder, as far as the folder is on this machine, too: what is left out
    of the build, such as a `.venv`, may be in the image all the same, and is another one there."""
    if container.context is None:
        return ()
    context = Context(container.context)
    told = describe(read(container.context) or "", container.image, container.build_args).copied
    return tuple(each for one in told for each in _taken(container.context, context, one))


def _taken(folder: Path, context: Context, one: Copied) -> Iterator[Copied]:
    """In place of a folder, what is in it and takes part; nobody needs each of very many."""
    source = folder / one.source
    names = sorted(path.name for path in source.iterdir()) if source.is_dir() else []
    if not names or len(names) > MOST_NAMED:
        yield one
        return
    prefix = f"{one.source}/" if one.source else ""
    for name in names:
        if not context.leaves_out(f"{prefix}{name}"):
            yield replace(one, source=f"{prefix}{name}", target=f"{one.target.rstrip('/')}/{name}")


def _digest(container: CustomContainer) -> str:
    return Context(container.context).digest(container.build_args) if container.context is not None else ""
