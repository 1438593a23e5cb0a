"""Names become revisions. Every deployment of a function makes another, immutable one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from emulator.journal.journal import Journal
from emulator.model.errors import AliasNotFound, FunctionNotFound, ServiceNotFound, VersionNotFound
from emulator.model.events import RevisionDeployed
from emulator.model.function import LATEST, Function, FunctionName, Revision
from emulator.registry.archive import unpack
from emulator.registry.fingerprint import fingerprint

Listener = Callable[[Revision | None, Revision | None], None]


class Registry:
    """Functions by name. `on_change(old, new)` is told of each deployment and removal."""

    def __init__(self, state_dir: Path, journal: Journal) -> None:
        self._state_dir = state_dir
        self._journal = journal
        self._latest: dict[FunctionName, Revision] = {}
        self._listeners: list[Listener] = []

    def on_change(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def deploy(self, function: Function) -> Revision:
        """Make a revision of a function and its code. Raises `ConfigError` for an archive that is no archive."""
        old = self._latest.get(function.name)
        digest, checksum = fingerprint(function.code, function)
        code_dir = function.code
        if code_dir is not None and code_dir.is_file():
            code_dir = self._unpacked(code_dir, digest)
        revision = Revision(function, old.number + 1 if old else 1, digest, code_dir, checksum)
        self._latest[function.name] = revision
        self._journal.append(RevisionDeployed(self._journal.now(), str(function.name), revision.number, digest))
        self._tell(old, revision)
        return revision

    def _unpacked(self, archive: Path, digest: str) -> Path:
        folder = self._state_dir / "code" / digest
        if not folder.is_dir():
            unpack(archive, folder)
        return folder

    def _tell(self, old: Revision | None, new: Revision | None) -> None:
        for listener in self._listeners:
            listener(old, new)

    def latest(self, name: FunctionName) -> Revision | None:
        return self._latest.get(name)

    def revisions(self) -> Iterable[Revision]:
        return list(self._latest.values())

    def resolve(self, name: FunctionName, qualifier: str = LATEST) -> Revision:
        """The revision that a name and a qualifier point at. Raises FC's 404 errors."""
        revision = self._latest.get(name)
        if revision is None:
            if name.service and not any(it.service == name.service for it in self._latest):
                raise ServiceNotFound(name.service)
            raise FunctionNotFound(name.name, name.service)
        if qualifier in ("", LATEST):
            return revision
        if qualifier.isdigit():
            raise VersionNotFound(qualifier, str(name))
        raise AliasNotFound(qualifier, str(name))
