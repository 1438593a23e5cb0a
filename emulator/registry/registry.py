"""Names become revisions. Every deployment of a function makes another, immutable one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from emulator.journal.journal import Journal
from emulator.model.errors import AliasNotFound, FCError, FunctionNotFound, ServiceNotFound, VersionNotFound
from emulator.model.events import RevisionDeployed
from emulator.model.function import LATEST, Function, FunctionName, Layer, Revision
from emulator.registry.fingerprint import fingerprint, layer_digest
from emulator.registry.unpacked import Unpacked

Listener = Callable[[Revision | None, Revision | None], None]


class Registry:
    """Functions by name. `on_change(old, new)` is told of each deployment and removal."""

    def __init__(self, state_dir: Path, journal: Journal) -> None:
        self._code = Unpacked(state_dir / "code")
        self._layers = Unpacked(state_dir / "unpacked-layers")
        self._journal = journal
        self._latest: dict[FunctionName, Revision] = {}
        self._refused: dict[FunctionName, FCError] = {}
        self._listeners: list[Listener] = []

    def on_change(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def deploy(self, function: Function) -> Revision:
        """Make a revision of a function, its code and its layers. Raises `ConfigError` for an archive that is broken
        or hostile."""
        old = self._latest.get(function.name)
        mark = fingerprint(function)
        code_dir = self._code_dir(function, mark.code)
        layers = tuple(self._layer(layer) for layer in function.layers)
        function = replace(function, layers=layers)
        revision = Revision(function, old.number + 1 if old else 1, mark.revision, code_dir, mark.checksum)
        self._latest[function.name] = revision
        self._refused.pop(function.name, None)
        self._journal.append(RevisionDeployed(self._journal.now(), str(function.name), revision.number, mark.revision))
        self._tell(old, revision)
        return revision

    def refuse(self, name: FunctionName, why: FCError) -> None:
        """A function that is declared and can not be deployed: `why` is what its callers get."""
        self._refused[name] = why

    def _code_dir(self, function: Function, digest: str) -> Path | None:
        code = function.code
        if code is None or not code.is_file():
            return code
        command = " ".join(function.start_command)
        # The command decides whether a jar is unpacked.
        key = hashlib.sha256(f"{digest} {command}".encode()).hexdigest()

        def make(folder: Path) -> None:
            from emulator.registry.archive import stage  # most projects have no archives

            stage(code, folder, command)

        return self._code.folder(key, make)

    def _layer(self, layer: Layer) -> Layer:
        if layer.path is None or not layer.path.is_file():
            return layer
        archive = layer.path

        def make(folder: Path) -> None:
            from emulator.registry.archive import unpack  # as above

            unpack(archive, folder)

        return replace(layer, path=self._layers.folder(layer_digest(archive), make))

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
        if qualifier.isdigit():
            raise VersionNotFound(qualifier, str(name))
        raise AliasNotFound(qualifier, str(name))
