"""Which instances are forked, and from which template (docs/zygote.md): one line of templates for each function.

The first start of a function is always a spawned interpreter's, since that is what a cold start is in Function Compute.
What it had loaded when it had answered once is loaded in a template, from which later instances are forked. Where a
language has no fork, spares are parked from then on in place of it (docs/zygote.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from emulator.config.settings import Settings
from emulator.instance import decisions
from emulator.instance.control import ControlError
from emulator.instance.decisions import Decision, Refusal
from emulator.instance.instance import Instance
from emulator.instance.keys import fork_key
from emulator.instance.platform_clock import PlatformClock, PlatformTimer
from emulator.instance.preload import Preload, is_attached, select, shadowed, with_files
from emulator.instance.stamps import Guarding, Unchanged
from emulator.journal.journal import Journal
from emulator.model import ids
from emulator.model.errors import SandboxError
from emulator.model.function import Revision
from emulator.model.launch import Launch
from emulator.model.lifecycle import State
from emulator.runtime.spec import RuntimeSpec
from emulator.sandbox.base import Origin, Template, Walls

T = TypeVar("T")
OLDEST = (3, 8)
ASK_SECONDS = 30.0
DIALS, DIAL_SECONDS = 100, 0.02


class Cold(StrEnum):
    """How instances start: AUTO spawns the first and forks the others, FAITHFUL spawns all, FAST forks also the first
    where an earlier run of the emulator knew what it loads."""

    AUTO = "auto"
    FAITHFUL = "faithful"
    FAST = "fast"


class _Line:
    """Where instances of one function come from, and what that is made after.

    `key_of` says what all these instances have in common, `hindrance` why one can not come from there, which is told at
    this level.
    """

    def __init__(self, function: str) -> None:
        self.function = function
        self.origin: Origin | None = None
        self.preload = Preload()
        # What its instances have in common, as it was when the origin was started.
        self.key: object = None
        self.key_of: Callable[[Launch], object] = fork_key
        self.hindrance: Callable[[Launch], str] = _no_hindrance
        self.level = "warning"
        self.files: Unchanged | None = None
        self.learned: Revision | None = None
        # What no template could be had with, by its names.
        self.refused: dict[tuple[str, ...], Refusal] = {}
        self.making: asyncio.Task[None] | None = None
        self.idle: PlatformTimer | None = None


class TemplateOptions(Struct, frozen=True):
    """`keep_alive`: how long a template is kept that no instance is forked from, in seconds."""

    cold: Cold = Cold.AUTO
    spares: int = 1
    keep_alive: float = 240.0
    folder: Path | None = None

    @classmethod
    def of(cls, settings: Settings, state_dir: Path) -> TemplateOptions:
        return cls(Cold(settings.starts), settings.spares, settings.keep_alive, state_dir / decisions.TEMPLATES_FOLDER)


class Templates:
    """Owns the lines; the walls own the processes. `guarding`: who tells of changes of the files that a template has
    loaded."""

    def __init__(
        self,
        journal: Journal,
        options: TemplateOptions,
        platform: PlatformClock | None = None,
        guarding: Guarding | None = None,
    ) -> None:
        self._journal = journal
        self._guarding = guarding
        self._platform = platform or PlatformClock(journal)
        self._options = options
        self._lines: dict[str, _Line] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        # Those that keep an instance from being idle.
        self._asking: set[asyncio.Task[None]] = set()
        self._platform.waits_for(lambda: {it for it in self._asking if not it.done()})

    # --- for whoever makes instances ---

    async def origin(self, revision: Revision, spec: RuntimeSpec) -> Origin | None:
        """What the next instance can come from; None where it is to be spawned."""
        line = self._lines.get(str(revision.function.name))
        if line is None or line.origin is None or line.files is None:
            return None
        looked = line.origin
        if looked.alive and await line.files.holds():
            return line.origin
        if line.origin is not looked:
            return line.origin  # a better one has come meanwhile
        self._drop(line)
        return None

    async def first_origin(self, revision: Revision, spec: RuntimeSpec, launch: Launch, walls: Walls) -> Origin | None:
        """As `origin`, where none is there: with FAST it is made now, after what an earlier run had loaded."""
        if self._options.cold is not Cold.FAST or not spec.forks or not walls.forks:
            return None
        line = self._line(revision)
        if line.making is None and not line.preload.modules:
            known = self._recall(line.function)
            if known is None or known.refused:
                return None
            line.making = self._own(self._make(line, walls, launch, known.preload))
        if line.making is None:
            return None
        await asyncio.shield(line.making)
        return line.origin if line.origin is not None and self.fits(revision, launch) else None

    def fits(self, revision: Revision, launch: Launch) -> bool:
        """Whether an instance with this launch can come from the origin of its function. Else there is none any more:
        it would be of no use for the next one either."""
        line = self._line(revision)
        if line.origin is None:
            return False
        hindrance = line.hindrance(launch)
        if hindrance:
            self._journal.notice(hindrance, level=line.level, function=line.function)
        if hindrance or line.key_of(launch) != line.key:
            self._drop(line)
            return False
        return True

    def packages(self, revision: Revision) -> tuple[str, ...]:
        """Those of the user's that its template has loaded."""
        return self._line(revision).preload.packages

    def watching(
        self, changed: Callable[[Instance], None], spec: RuntimeSpec, walls: Walls
    ) -> Callable[[Instance], None]:
        """Hear of the first answer of an instance in these walls, beside whom its moves are told to."""

        heard = False

        def noted(instance: Instance) -> None:
            nonlocal heard
            changed(instance)
            # Not one that is about to freeze or to end, which could not be asked any more.
            if not heard and instance.served == 1 and instance.state is State.IDLE:
                heard = True
                self._served(instance, spec, walls, changed)

        return noted if self._options.cold is not Cold.FAITHFUL and _ahead(spec, walls) else changed

    async def aclose(self) -> None:
        for line in self._lines.values():
            if line.idle is not None:
                line.idle.cancel()
            if line.files is not None:
                line.files.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # --- learning ---

    def _served(self, instance: Instance, spec: RuntimeSpec, walls: Walls, changed: Callable[[Instance], None]) -> None:
        line = self._line(instance.revision)
        kind = "debugged" if is_attached(instance.sandbox.launch) else ""
        looked = line.origin.learn(instance.id, kind) if line.origin is not None else None
        if line.learned is instance.revision:
            return
        line.learned = instance.revision
        if spec.forks and walls.forks:
            instance.reserved = True  # it is not frozen while it is asked
            self._asking.add(self._own(self._learn(line, walls, instance, changed, looked)))
        elif line.origin is None or not line.origin.alive:
            self._park(line, spec, walls, instance.sandbox.launch)

    def _park(self, line: _Line, spec: RuntimeSpec, walls: Walls, launch: Launch) -> None:
        # A plain start needs none of it.
        from emulator.instance import ahead

        for way in ahead.ways(spec, walls):
            hindrance = way.hindrance(launch)
            if hindrance:
                self._journal.notice(hindrance, level="debug", function=line.function)
            elif self._options.spares:
                with contextlib.suppress(SandboxError):
                    key = way.key(launch)
                    origin = way.origin(walls, launch)
                    line.key_of, line.hindrance, line.level = way.key, way.hindrance, "debug"
                    self._take(line, origin, key, Preload(watched=way.watched(launch)))
                    return

    async def _asked(self, line: _Line, instance: Instance) -> Mapping[str, Any] | None:
        """What an instance has loaded; None where it can not say. Where it has ended, the next one is asked."""
        for _ in range(DIALS):  # its channel is another connection than the one on which it answered
            if instance.control is not None or instance.ended:
                break
            await asyncio.sleep(DIAL_SECONDS)
        control = instance.control
        if control is None and instance.ended:
            line.learned = None
        if control is None or _version(control.version) < OLDEST:
            return None
        try:
            return await control.ask("modules", ASK_SECONDS)
        except ControlError:
            line.learned = None
            return None

    async def _learn(
        self,
        line: _Line,
        walls: Walls,
        instance: Instance,
        changed: Callable[[Instance], None],
        looked: asyncio.Task[None] | None,
    ) -> None:
        """Make a template, or a better one, after what this instance has loaded, when it was `looked` at."""
        try:
            if looked is not None:
                await asyncio.wait([looked])
            told = await self._asked(line, instance)
        finally:
            self._asking -= {asyncio.current_task()}
            instance.reserved = False
            changed(instance)
        if told is None:
            return
        launch = instance.sandbox.launch
        found = await asyncio.to_thread(select, told, launch)
        if line.origin is not None and line.origin.alive:
            if not found.modules and (line.preload.debugger or not found.debugger):
                return
            # A fork tells only what its template did not have.
            found = _joined(line.preload, found)
        if line.making is not None:
            await asyncio.shield(line.making)
        line.making = self._own(self._make(line, walls, launch, found))

    async def _make(self, line: _Line, walls: Walls, launch: Launch, preload: Preload) -> None:
        """The best template that can be had: with all of it, else with nothing of the user's packages."""
        refusals: list[Refusal] = []
        try:
            for wanted in (preload, Preload(known=preload.known, debugger=preload.debugger)):
                names = (wanted.debugger, *(name for name, _ in wanted.modules))
                if names not in line.refused:
                    key = fork_key(launch)
                    found = await self._started(walls, launch, wanted)
                    if not isinstance(found, Refusal):
                        self._take_template(line, found, launch, key, wanted)
                        break
                    line.refused[names] = found
                refusals.append(line.refused[names])
            self._decided(line, preload, refusals)
        finally:
            line.making = None

    async def _started(self, walls: Walls, launch: Launch, preload: Preload) -> Template | Refusal:
        """A template that answered, or why there is none."""
        own = {name: value for name, value in launch.env.items() if not name.startswith("FCLOCAL_DEBUG_T")}
        own.pop("FCLOCAL_DEBUG_ATTACH", None)
        before: Mapping[str, str] = {}
        for _ in range(2):
            name = f"t{ids.instance_id()[1:]}"
            template = walls.template(name, replace(launch, env={**own, **before}, hostname=name), preload.order())
            try:
                await template.start()
            except SandboxError as error:
                return Refusal(error.message, error.next_step)
            again = template.report.get("again")
            if not isinstance(again, dict):
                return template
            # Code of the user's sets these before it imports; what libraries set, they set here too.
            before = {str(name): str(value) for name, value in again.items()}
        return Refusal("its code changes the environment before it imports, in a way that could not be repeated")

    def _take_template(self, line: _Line, template: Template, launch: Launch, key: object, preload: Preload) -> None:
        files, names = template.report.get("files"), template.report.get("names")
        preload = with_files(preload, files if isinstance(files, list) else (), launch)
        loaded = names if isinstance(names, dict) else {}

        def hindrance(launch: Launch) -> str:
            own = shadowed(preload, loaded, launch)
            return f"{own} has the name of a module that is loaded already, so instances are not forked" if own else ""

        line.key_of, line.hindrance, line.level = fork_key, hindrance, "warning"
        self._take(line, template, key, preload)

    def _take(self, line: _Line, origin: Origin, key: object, preload: Preload) -> None:
        self._drop(line)
        line.origin, line.key, line.preload = origin, key, preload
        line.files = Unchanged(preload.watched, self._guarding, self._own)
        line.files.guard()
        origin.keep(self._options.spares, ids.instance_id)
        self._watch_idle(line)

    def _drop(self, line: _Line) -> None:
        if line.origin is not None:
            line.origin.retire()
            line.origin = None
            line.learned = None
        if line.files is not None:
            line.files.close()
            line.files = None

    def _watch_idle(self, line: _Line) -> None:
        """A template that nothing was forked from for long holds memory for nothing."""
        if line.idle is not None:
            line.idle.cancel()
        line.idle = self._platform.call_later(self._options.keep_alive, functools.partial(self._look, line))

    def _look(self, line: _Line) -> None:
        if line.origin is None:
            return
        if line.origin.in_use:
            self._watch_idle(line)
        else:
            self._drop(line)

    # --- what is told ---

    def _decided(self, line: _Line, preload: Preload, refusals: list[Refusal]) -> None:
        """`refusals`: none where the packages were loaded, one where the bootstrap alone was, two where nothing was."""
        first = refusals[0] if refusals else Refusal()
        forked, modules = len(refusals) < 2, 0 if refusals else len(preload.modules)
        if refusals:
            what = "forked without their packages loaded" if forked else "not forked"
            self._journal.notice(f"instances are {what}: {first.why}", level="debug", function=line.function)
        if self._options.folder is not None:
            decision = Decision(line.function, preload.packages, modules, first.why, preload, forked, first.lift)
            decisions.keep(self._options.folder, decision)

    def _recall(self, function: str) -> Decision | None:
        folder = self._options.folder
        return decisions.recall(folder, function) if folder is not None else None

    # --- small ---

    def _line(self, revision: Revision) -> _Line:
        name = str(revision.function.name)
        return self._lines.setdefault(name, _Line(name))

    def _own(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _joined(before: Preload, more: Preload) -> Preload:
    return Preload(
        (*before.modules, *more.modules),
        more.path,
        more.editable,
        (*before.allowed, *more.allowed),
        (*before.known, *more.known),
        {**before.environ, **more.environ},
        tuple(sorted({*before.watched, *more.watched})),
        more.debugger or before.debugger,
    )


def _no_hindrance(launch: Launch) -> str:
    return ""


def _ahead(spec: RuntimeSpec, walls: Walls) -> bool:
    """Whether instances can come from somewhere sooner than by a spawn."""
    return (spec.forks and walls.forks) or (spec.parks and walls.parks) or walls.builds_ahead


def _version(text: str) -> tuple[int, ...]:
    parts = text.split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())
