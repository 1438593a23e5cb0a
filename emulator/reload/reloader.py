"""Takes over what changed on the disk: the one owner of changes, from the first sign to the new revision."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec.structs import replace

from emulator.journal.crashes import CrashFiles
from emulator.journal.journal import Journal
from emulator.model.errors import UserError
from emulator.model.events import Notice, RevisionRefused
from emulator.model.function import Function, FunctionName, Place, Project
from emulator.registry.fingerprint import declaration
from emulator.registry.registry import Registry
from emulator.reload.broken import Broken
from emulator.reload.builder import Builder
from emulator.reload.bytecode import remove_stale, sweep
from emulator.reload.home import Home, Read
from emulator.reload.places import files_we_print_to
from emulator.reload.subjects import WHOLE, BuildSources, Pending, Subjects
from emulator.reload.syntax import broken
from emulator.reload.watcher import Watcher
from emulator.runtime.interpreters import Interpreter

# However often something changes, it is taken over after this long.
LONGEST_BURST_SECONDS = 0.5
# Where a request waits for the change already, this part of the usual quiet has to do.
WAITED_SHARE = 0.25
# A file that is open for writing is waited for, but not for one that is never closed.
WRITING_SECONDS = 0.2
# npm and its like go on for seconds; nobody waits for them.
INSTALL_SECONDS = 0.7
# How long before the reloader is made the project may have been read.
READ_SECONDS = 5.0


class Reloader:
    """The `Freshness` of an emulator whose files are watched, from `start` to `aclose`."""

    def __init__(self, home: Home, registry: Registry, journal: Journal, state_dir: Path, quiet: float) -> None:
        self._home = home
        self._registry = registry
        self._journal = journal
        self._crashes = CrashFiles(state_dir)
        self._layers = state_dir / "layers"
        self._quiet = quiet
        self._loop = asyncio.get_running_loop()
        self._builder = Builder(self._run_build)
        self._subjects = self._subjects_of(Read(home.settings, home.project))
        self._watcher = Watcher(state_dir, self._notice, journal.notice)
        self._unread = self._watcher.pending
        self._soon, self._late, self._applying = Pending(), Pending(), Pending()
        self._writing: set[str] = set()
        self._ours = files_we_print_to()
        self._began = self._last = 0.0
        self._woken = asyncio.Event()
        self.more = asyncio.Event()
        self._done = asyncio.Event()
        self._stale = False
        # How many requests wait for what is taken over.
        self._waited = 0
        self._started = asyncio.Event()
        self._made_at = time.time()
        self._install: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._unreadable = False
        # Files of changes that were refused and not corrected yet.
        self._refused: dict[FunctionName, list[str]] = {}

    def _subjects_of(self, read: Read, before: Subjects | None = None) -> Subjects:
        return Subjects(
            read.project,
            self._layers,
            written=self._home.writes_code,
            builds=builds_of(read),
            is_source=self._builder.is_source,
            before=before,
        )

    # --- what the faces ask ---

    def fresh(self, name: FunctionName) -> bool:
        if self._unread():
            self._notice()
        return not (self._stale and self._is_stale(name))

    async def refreshed(self, name: FunctionName) -> None:
        self._waited += 1
        self.more.set()
        try:
            while not self.fresh(name):
                self._done.clear()
                await self._done.wait()
        finally:
            self._waited -= 1

    def _is_stale(self, name: FunctionName) -> bool:
        return any(it.project or name in it.stale for it in (self._soon, self._applying))

    # --- from the first sign ---

    def start(self) -> None:
        self._task = self._loop.create_task(self._run(), name="take over what changes")

    async def watching(self, patience: float) -> None:
        """Returns when everything is watched; not later than after `patience` seconds, for folders may be large."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._started.wait()

    async def aclose(self) -> None:
        if self._install is not None:
            self._install.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await asyncio.to_thread(self._watcher.close)

    def _notice(self) -> None:
        """Something happened: what it is about is known at once, and looked at when it is quiet."""
        if not self._started.is_set():
            return
        changes = [change for change in self._watcher.take() if change.path not in self._ours]
        soon = Pending()
        if self._subjects.note(changes, soon, self._late):
            self._watcher.follow(self._subjects.trees())
        if self._late:
            self._install = self._install or self._loop.call_later(INSTALL_SECONDS, self._installed)
        if not soon:
            return
        for change in changes:
            (self._writing.add if change.writing else self._writing.discard)(change.path)
        self._last = self._loop.time()
        if not self._soon:
            self._began = self._last
        self._soon.add(soon)
        self._stale = True
        self._woken.set()
        self.more.set()

    def _installed(self) -> None:
        self._install = None
        late, self._late = self._late, Pending()
        self._soon.add(late)
        self._began = self._last = self._loop.time()
        self._woken.set()

    # --- to the new revision ---

    async def _run(self) -> None:
        await asyncio.to_thread(self._prepare)
        self._watcher.start()
        self._started.set()
        # What changed since it was read, before anybody watched.
        self._soon.code.update((root, {WHOLE}) for root in self._subjects.folders)
        self._soon.sources.update(path for path in self._home.project.sources if _changed_since(path, self._made_at))
        self._woken.set()
        while True:
            await self._woken.wait()
            await self.until_quiet()
            self._woken.clear()
            self._applying, self._soon = self._soon, Pending()
            self._writing.clear()
            try:
                await self._apply(self._applying)
            except Exception as fault:
                self._journal.notice(self._crashes.line(fault, "while a change was taken over"), level="error")
            self._applying = Pending()
            self._stale = bool(self._soon)
            self._done.set()

    def _prepare(self) -> None:
        for root in self._subjects.folders:
            sweep(root)
        self._watcher.follow(self._subjects.trees())

    async def until_quiet(self) -> None:
        """Returns when nothing has changed for a moment, or things have changed for long enough."""
        while True:
            quiet = self._quiet * WAITED_SHARE if self._waited else self._quiet
            wait = max(WRITING_SECONDS, quiet) if self._writing else quiet
            left = min(self._last + wait, self._began + LONGEST_BURST_SECONDS) - self._loop.time()
            if left <= 0:
                return
            self.more.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self.more.wait()

    async def _apply(self, pending: Pending) -> None:
        changed: dict[FunctionName, list[str]] = {}
        if pending.project:
            await self._read_project(pending, changed)
        failed = await self._build(pending, changed) if pending.builds else set()
        for root, names in pending.code.items():
            found = await asyncio.to_thread(self._look, root, names)
            for name in self._subjects.functions_of(root) if found else ():
                changed.setdefault(name, []).extend(sorted(found))
        for path in pending.archives:
            if path.exists() and await asyncio.to_thread(self._registry.contents.look_at_file, path):
                for name in self._subjects.functions_of(path):
                    changed.setdefault(name, []).append(path.name)
        if pending.layers:
            await self._look_at_layers(changed)
        for function in self._home.project.functions:
            if function.name in failed:
                self._refused.setdefault(function.name, []).extend(changed.get(function.name, ()))
            elif function.name in changed and _is_there(function):
                await self._deploy(function, changed[function.name])

    async def _build(self, pending: Pending, changed: dict[FunctionName, list[str]]) -> set[FunctionName]:
        """Run the commands whose sources changed, one after the other; those whose functions stay what they are. What
        they made is a part of this change."""
        failed: set[FunctionName] = set()
        for command, edited in pending.builds.items():
            names = self._subjects.built_by(command)
            functions = [function for function in self._home.project.functions if function.name in names]
            if not functions:
                continue
            built = await self._builder.build(command, functions[0], edited, _Sources(self, command))
            if built.error:
                failed |= names
                for function in functions:
                    self._refuse(built.place, built.error, function.name, built.output)
            else:
                self._told(f"built {', '.join(sorted(map(str, names)))} in {built.seconds:.1f} s")
                for function in functions:
                    if function.custom_container is not None:
                        root = function.custom_container.context or self._home.project.root
                        changed.setdefault(function.name, []).extend(os.path.relpath(it, root) for it in sorted(edited))
            folders, archives = self._subjects.code_of(names)
            pending.code.update((root, {WHOLE}) for root in folders)
            pending.archives |= archives
            for root in folders:
                self._soon.code.pop(root, None)
            self._soon.archives -= archives
            self._soon.stale -= names
        return failed

    async def _run_build(self, function: Function, command: str, sink: Callable[[bytes], None]) -> None:
        container = function.custom_container
        if container is not None and command == container.build_command:
            await self._home.deployments.build_image(function)
        else:
            await self._home.build(function, command, sink)

    def sources_changed(self, command: str) -> set[str]:
        """The sources of a command that changed since they were asked for last."""
        self._notice()
        return self._soon.builds.pop(command, set())

    def _look(self, root: Path, names: set[str]) -> set[str]:
        found = self._registry.contents.look(root, None if WHOLE in names else names)
        found = {name for name in found if f"{root}/{name}" not in self._ours}
        remove_stale(root, found)
        return found

    async def _deploy(self, function: Function, changed: list[str]) -> None:
        """Make the new revision, unless it could not run. What was refused counts with the next change."""
        refused = self._refused.pop(function.name, [])
        names = [*dict.fromkeys((*refused, *changed))]
        if self._registry.is_latest(self._home.deployments.as_deployed(function)):
            if refused:
                self._told(f"{function.name} is again what it was")
            return
        if function.code is not None and function.code.is_dir():
            wrong = await asyncio.to_thread(broken, function, function.code, names, self._interpreter_of(function))
            if wrong is not None:
                self._refused[function.name] = names
                self._refuse_code(function, wrong)
                return
        await self._home.deployments.deploy(function, names)

    def _told(self, text: str) -> None:
        self._journal.append(Notice(self._journal.now(), "info", text))

    def _interpreter_of(self, function: Function) -> Callable[[str], Interpreter | None]:
        return functools.partial(self._home.interpreter_of, function)

    def _refuse_code(self, function: Function, wrong: Broken) -> None:
        shown = os.path.relpath(f"{function.code}/{wrong.name}", self._home.project.root)
        self._refuse(Place(shown, wrong.line or None), wrong.message, function.name, wrong.source)

    async def _look_at_layers(self, changed: dict[FunctionName, list[str]]) -> None:
        layers = {layer.path for function in self._home.project.functions for layer in function.layers if layer.path}
        for path in layers:
            if path.exists() and await asyncio.to_thread(self._registry.contents.look_at_layer, path):
                for function in self._home.project.functions:
                    if any(layer.path == path for layer in function.layers):
                        changed.setdefault(function.name, []).append(f"layer {path.relative_to(self._layers)}")

    async def _read_project(self, pending: Pending, changed: dict[FunctionName, list[str]]) -> None:
        try:
            read = await asyncio.to_thread(self._home.read)
        except UserError as error:
            self._refuse(error.place, error.message)
            self._unreadable = True
            return
        if self._unreadable and not read.project.left_out:
            self._unreadable = False
            self._told("the project can be read again")
        before = {function.name: function for function in self._home.project.functions}
        self._tell_problems(read.project)
        read = self._kept(read, before)
        self._subjects = self._subjects_of(read, self._subjects)
        self._watcher.follow(self._subjects.trees())
        causes = sorted(os.path.relpath(path, read.project.root) for path in pending.sources)
        self._home.know(read)
        now = {function.name: function for function in read.project.functions}
        for name in before.keys() - now.keys():
            self._registry.remove(name)
            self._told(f"removed {name} ({', '.join(causes)})")
        for name, function in now.items():
            if name not in before or declaration(function) != declaration(before[name]):
                changed.setdefault(name, []).extend(causes)

    def _tell_problems(self, project: Project) -> None:
        """Those that are new, but for what leaves something out, which is told as a refusal."""
        told = {problem.message for problem in (*self._home.project.problems, *project.left_out)}
        for problem in project.problems:
            if problem.message not in told:
                self._journal.append(Notice(self._journal.now(), "warning", str(problem)))

    def _kept(self, read: Read, before: Mapping[FunctionName, Function]) -> Read:
        """A function that is written wrongly now stays what it was."""
        project = read.project
        told = {*self._home.project.left_out}
        for problem in project.left_out:
            if problem not in told:
                self._refuse(problem.place, problem.message)
        if not project.left_out:
            return read
        names = {function.name for function in project.functions}
        kept = tuple(function for name, function in before.items() if name not in names)
        return Read(read.settings, replace(project, functions=(*project.functions, *kept)))

    def _refuse(
        self, place: Place | None, message: str, function: FunctionName | None = None, source: str = ""
    ) -> None:
        latest = self._registry.latest(function) if function else None
        self._journal.append(
            RevisionRefused(
                self._journal.now(),
                str(function or ""),
                latest.number if latest else 0,
                str(place or ""),
                message,
                source,
            )
        )


def builds_of(read: Read) -> dict[str, BuildSources]:
    """What is built when its sources change: by commands of the settings, and images by their Dockerfiles."""
    builds: dict[str, BuildSources] = {}
    for function in read.project.functions:
        if command := read.settings.function(function.name).build:
            builds.setdefault(command, BuildSources(read.project.root)).functions.add(function.name)
        container = function.custom_container
        if container is not None and container.context is not None:
            mounted = tuple(mount.source for mount in function.code_mounts)
            sources = BuildSources(container.context, of_image=True, mounted=mounted)
            builds.setdefault(container.build_command, sources).functions.add(function.name)
    return builds


class _Sources:
    """See `builder.Sources`."""

    def __init__(self, reloader: Reloader, command: str) -> None:
        self._reloader = reloader
        self._command = command
        self.stirred = reloader.more
        self.quiet = reloader.until_quiet

    def changed(self) -> set[str]:
        return self._reloader.sources_changed(self._command)


def _changed_since(path: Path, at: float) -> bool:
    try:
        return path.lstat().st_ctime > at - READ_SECONDS
    except OSError:
        return False


def _is_there(function: Function) -> bool:
    """Code that is being made again is not deployed while it is gone."""
    return function.code is None or function.code.exists()
