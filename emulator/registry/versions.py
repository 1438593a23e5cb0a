"""Versions of a function, which never change, and the aliases that point at them (platform.md §7)."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from emulator.model.errors import AliasNotFound, UserError, VersionNotFound
from emulator.model.function import LATEST, FunctionName, Revision
from emulator.model.provision import Provision
from emulator.registry.package import Package
from emulator.registry.unpacked import PARTIAL

ALIAS_NAME_LENGTH = 128


class Alias(Struct, frozen=True):
    """`weights` are of other versions, each a share of the calls; `to` has the rest."""

    to: str
    weights: Mapping[str, float]


class Versions:
    """Of all functions, in memory: they end with the emulator. `chance` decides about weighted aliases."""

    def __init__(self) -> None:
        self.chance = Random()  # noqa: S311 - which of two versions answers is no secret
        self._versions: dict[FunctionName, dict[str, Revision]] = {}
        self._aliases: dict[tuple[FunctionName, str], Alias] = {}
        # Which revision was published last.
        self._published: dict[FunctionName, int] = {}

    def publish(self, latest: Revision, code_dir: Path | None) -> Revision:
        """`code_dir` is what nobody changes any more. Raises `UserError` where nothing has changed since the last one,
        which FC refuses as well."""
        name = latest.function.name
        versions = self._versions.setdefault(name, {})
        if self._published.get(name) == latest.number:
            raise UserError(f"nothing of {name} has changed since version {len(versions)}", "deploy it again first")
        self._published[name] = latest.number
        # Provisioned instances belong to LATEST or to an alias, never to a version (platform.md §7).
        function = replace(latest.function, provisioned=Provision())
        version = replace(latest, function=function, code_dir=code_dir, version_id=str(len(versions) + 1))
        versions[version.version_id] = version
        return version

    def point(self, name: FunctionName, alias: str, to: str, weights: Mapping[str, float]) -> None:
        """An alias points at a version from now on. Raises `UserError`."""
        # That it may be neither is UNCONFIRMED (platform.md §1.7).
        if not alias or len(alias) > ALIAS_NAME_LENGTH or alias.isdigit() or alias == LATEST:
            raise UserError(f"an alias can not be named {alias!r}", "use a name such as prod")
        there = self._versions.get(name, {})
        for version in (to, *weights):
            if version not in there:
                known = f"there are: {', '.join(there)}" if there else "publish one first"
                raise UserError(f"there is no version {version} of {name}", known)
        self._aliases[name, alias] = Alias(to, dict(weights))

    def resolve(self, name: FunctionName, qualifier: str) -> Revision:
        """Raises `VersionNotFound`, `AliasNotFound`."""
        if qualifier.isdigit():
            with contextlib.suppress(KeyError):
                return self._versions[name][qualifier]
            raise VersionNotFound(qualifier, str(name))
        alias = self._aliases.get((name, qualifier))
        if alias is None:
            raise AliasNotFound(qualifier, str(name))
        left = self.chance.random() if alias.weights else 1.0
        for version, share in alias.weights.items():
            left -= share
            if left < 0:
                return self._versions[name][version]
        return self._versions[name][alias.to]

    def forget(self, name: FunctionName) -> list[Revision]:
        """The function is gone; those that nobody finds any more."""
        self._published.pop(name, None)
        for key in [key for key in self._aliases if key[0] == name]:
            del self._aliases[key]
        return [*self._versions.pop(name, {}).values()]


def packed(code: Path) -> tuple[str, list[str]]:
    """What tells the content of a code folder, and the files of its package."""
    package = Package(code)
    package.scan()
    return hashlib.sha256(f"version {package.digest}".encode()).hexdigest(), sorted(package.files())


def copy_package(code: Path, names: list[str], folder: Path) -> None:
    """Copy these files; the folder is there when all of them are in it. Raises `UserError`."""
    partial = folder.with_name(f"{PARTIAL}{secrets.token_hex(4)}")
    try:
        partial.mkdir(parents=True)
        for name in names:
            target = partial / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(code / name, target, follow_symlinks=False)
        _rename(partial, folder)
    except OSError as error:
        raise UserError(f"the code in {code} can not be copied for a version: {error.strerror}", "make room") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _rename(partial: Path, folder: Path) -> None:
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another emulator was quicker, and theirs is as good
            raise
