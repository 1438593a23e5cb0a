"""Names become revisions. Every deployment of a function makes another, immutable one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from emulator.journal.journal import Journal
from emulator.model.errors import FCError, FunctionNotFound, ServiceNotFound
from emulator.model.events import RevisionDeployed
from emulator.model.function import LATEST, Function, FunctionName, Layer, Revision
from emulator.registry.fingerprint import Contents
from emulator.registry.unpacked import Unpacked

if TYPE_CHECKING:
    from emulator.registry.versions import Versions

# How many of the files that changed are told: enough to see what it was.
FILES_TOLD = 100

Listener = Callable[[Revision | None, Revision | None], None]


class Registry:
    """Functions by name. `on_change(old, new)` is told of each deployment and removal."""

    def __init__(self, state_dir: Path, journal: Journal) -> None:
        self._code = Unpacked(state_dir / "code")
        self._layers = Unpacked(state_dir / "unpacked-layers")
        self.contents = Contents()
        self._versions: Versions | None = None
        self._journal = journal
        self._latest: dict[FunctionName, Revision] = {}
        self._refused: dict[FunctionName, FCError] = {}
        self._listeners: list[Listener] = []

    def on_change(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def deploy(self, function: Function, changed: Sequence[str] | None = None) -> Revision:
        """Make a revision of a function, its code and its layers. Raises `ConfigError` for an archive that is broken
        or hostile.

        `changed` says what makes it necessary, and that `contents` has looked at it already.
        """
        old = self._latest.get(function.name)
        mark = self.contents.fingerprint(function, known=changed is not None)
        code_dir = self._code_dir(function, mark.code)
        layers = tuple(self._layer(function, layer) for layer in function.layers)
        function = replace(function, layers=layers)
        revision = Revision(function, old.number + 1 if old else 1, mark.revision, code_dir, mark.checksum)
        self._latest[function.name] = revision
        self._refused.pop(function.name, None)
        self._journal.append(_deployed(self._journal.now(), revision, tuple(changed or ())))
        self._tell(old, revision)
        return revision

    def is_latest(self, function: Function) -> bool:
        """Whether the last revision is this very function with the code that was looked at last."""
        latest = self._latest.get(function.name)
        return latest is not None and latest.fingerprint == self.contents.fingerprint(function, known=True).revision

    def remove(self, name: FunctionName) -> None:
        """The function is not declared any more: what runs of it drains, and nobody finds it."""
        self._refused.pop(name, None)
        old = self._latest.pop(name, None)
        if old is not None:
            self._tell(old, None)
        for version in self._versions.forget(name) if self._versions is not None else ():
            self._tell(version, None)

    @property
    def versions(self) -> Versions:
        if self._versions is None:
            from emulator.registry.versions import Versions  # few emulators have any

            self._versions = Versions()
        return self._versions

    async def publish(self, name: FunctionName) -> Revision:
        """Make a version of what is deployed, with the code as it is now; layers that are folders are not copied.
        Raises `UserError`, and FC's 404."""
        latest = self.resolve(name)
        return self.versions.publish(latest, await asyncio.to_thread(self._kept, latest))

    def _kept(self, latest: Revision) -> Path | None:
        """Its code, where nobody changes it."""
        from emulator.registry.versions import copy_package, packed  # as above

        code = latest.code_dir
        if code is None or not code.is_dir() or code != latest.function.code:
            return code
        key, names = packed(code)
        return self._code.folder(key, lambda folder: copy_package(code, names, folder))

    def refuse(self, name: FunctionName, why: FCError) -> None:
        """A function that is declared and can not be deployed: `why` is what its callers get."""
        self._refused[name] = why

    def is_refused(self, name: FunctionName) -> bool:
        return name in self._refused

    def _code_dir(self, function: Function, digest: str) -> Path | None:
        code = function.code
        if code is None or not code.is_file():
            return code
        command = " ".join(function.start_command)
        # The command decides whether a jar is unpacked.
        key = hashlib.sha256(f"{digest} {command}".encode()).hexdigest()

        def make(folder: Path) -> None:
            from emulator.registry.archive import stage  # most projects have no archives

            with self._journal.span("prepare_code", str(function.name), ""):
                stage(code, folder, command)

        return self._code.folder(key, make)

    def _layer(self, function: Function, layer: Layer) -> Layer:
        if layer.path is None or not layer.path.is_file():
            return layer
        archive = layer.path

        def make(folder: Path) -> None:
            from emulator.registry.archive import unpack  # as above

            with self._journal.span("prepare_layers", str(function.name), ""):
                unpack(archive, folder)

        return replace(layer, path=self._layers.folder(self.contents.layer_key(archive), make))

    def prune(self) -> None:
        """Remove what earlier runs unpacked and no function that is deployed uses, here or in another emulator."""
        self._code.prune()
        self._layers.prune()

    def close(self) -> None:
        """Nothing that was unpacked is needed any more."""
        self._code.close()
        self._layers.close()

    def _tell(self, old: Revision | None, new: Revision | None) -> None:
        for listener in self._listeners:
            listener(old, new)

    def latest(self, name: FunctionName) -> Revision | None:
        return self._latest.get(name)

    def find(self, name: FunctionName, qualifier: str = LATEST) -> Revision | None:
        """As `resolve`; None where there is none."""
        try:
            return self.resolve(name, qualifier)
        except FCError:
            return None

    def revisions(self) -> Iterable[Revision]:
        return list(self._latest.values())

    def resolve(self, name: FunctionName, qualifier: str = LATEST) -> Revision:
        """The revision that a name and a qualifier point at. Raises FC's 404 errors, and those of `refuse`."""
        revision = self._latest.get(name)
        if revision is None:
            if name in self._refused:
                raise self._refused[name]
            if name.service and not any(it.service == name.service for it in self._latest):
                raise ServiceNotFound(name.service)
            raise FunctionNotFound(name.name, name.service)
        if qualifier in ("", LATEST):
            return revision
        return self.versions.resolve(name, qualifier)


def _deployed(at: float, revision: Revision, changed: tuple[str, ...]) -> RevisionDeployed:
    function = revision.function
    gpu = function.gpu
    return RevisionDeployed(
        at,
        str(function.name),
        revision.number,
        revision.fingerprint,
        changed[:FILES_TOLD],
        len(changed),
        cpu=function.cpu,
        memory_mb=function.memory_mb,
        disk_mb=function.disk_mb,
        gpu_type=gpu.type if gpu else "",
        gpu_memory_mb=gpu.memory_mb if gpu else 0,
        instance_concurrency=function.instance_concurrency,
        idle_timeout=function.idle_timeout or 0.0,
    )
