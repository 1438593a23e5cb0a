"""What a template is to load: chosen from what an instance has loaded (docs/zygote.md).

Code that may be edited is never among it: of what lies below the code and the layers, only files that an installed
package says are its own. What was chosen holds as long as none of these has changed, and no file of the user's has
come to stand before it on the search path.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from emulator.model.launch import Launch
from emulator.runtime.tree import LAYERS, SYSTEM, Tree, is_within

# What is decided for an instance, or by its debugger, and so is not for a template to say.
_NOT_SET = ("FC_", "FCLOCAL_", "_FC_", "PYDEVD_", "DEBUGPY_")
_STEMS = (".py", ".pyc", ".so")
_RESOLVER = Path("/etc/resolv.conf")


class Preload(Struct, frozen=True, dict=True):
    """`modules` are names with their files as an instance sees them ("" for none), in the order in which their imports
    ended.

    `path` is the search path that they were found by, `editable` folders on it that may be edited, `allowed` files
    below those, and folders of files (with a slash), that may be loaded all the same, `known` all modules that the
    instance had loaded. `environ` are variables that its code had set by the time it imported. `watched` are the host's
    files and folders that must stay as they are. `debugger` is the folder of the debugger, where instances are attached
    when they are born.
    """

    modules: tuple[tuple[str, str], ...] = ()
    path: tuple[str, ...] = ()
    editable: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    environ: Mapping[str, str] = {}
    watched: tuple[str, ...] = ()
    debugger: str = ""

    @functools.cached_property
    def packages(self) -> tuple[str, ...]:
        """The names at the top of what lies outside of the standard library, for people. Each start tells them."""
        third = (name.partition(".")[0] for name, file in self.modules if _third_party(file, self.editable))
        return tuple(name for name in sorted(set(third)) if not name.startswith("_"))

    def order(self) -> Mapping[str, Any]:
        """As a template is told it."""
        return {
            "modules": self.modules,
            "path": self.path,
            "editable": self.editable,
            "allowed": self.allowed,
            "known": self.known,
            "environ": self.environ,
            "debugger": self.debugger,
        }


def select(told: Mapping[str, Any], launch: Launch) -> Preload:
    """From what an instance with this launch tells of its modules (`modules.py` of the bootstrap). Reads files."""
    tree = Tree(launch.mounts, launch.links)
    path = tuple(entry for entry in told.get("path", ()) if isinstance(entry, str))
    editable = _editable(launch)
    system = (*SYSTEM, *(it for it in told.get("prefixes", ()) if isinstance(it, str)))
    packages = _Packages(tree, path)
    modules: list[tuple[str, str]] = []
    known: list[str] = []
    for name, file in _pairs(told.get("modules")):
        known.append(name)
        if not file or (packages.own(file) if _below(file, editable) else _below(file, system)):
            modules.append((name, file))
    watched = {str(_RESOLVER), *packages.records}
    watched.update(str(found) for file in _roots(modules, path) if (found := tree.host(file)) is not None)
    environ = {
        str(name): str(value)
        for name, value in dict(told.get("environ") or {}).items()
        if not str(name).startswith(_NOT_SET)
    }
    return Preload(
        tuple(modules),
        path,
        editable,
        tuple(packages.importable()),
        tuple(known),
        environ,
        tuple(sorted(watched)),
        _debugger(launch),
    )


def with_files(preload: Preload, files: Iterable[Any], launch: Launch) -> Preload:
    """With those that a template has loaded, as it sees them, among the watched ones."""
    tree = Tree(launch.mounts, launch.links)
    found = (tree.host(file) for file in files if isinstance(file, str))
    return replace(preload, watched=tuple(sorted({*preload.watched, *(str(it) for it in found if it is not None)})))


def shadowed(preload: Preload, names: Mapping[str, str], launch: Launch) -> str:
    """The file that a fork would not import though a new interpreter did, since `names` (and where each is from) are
    loaded already; nothing where there is none."""
    tree = Tree(launch.mounts, launch.links)
    path = [*dict.fromkeys([launch.cwd, *preload.path])]
    for at, place in enumerate(path):
        if not _below(place, preload.editable):
            continue
        for stem, file in _importable(tree.host(place), names):
            # What is a part of the interpreter is found before any path is searched.
            if names[stem] not in ("built-in", "frozen") and at < _place_of(names[stem], path):
                return f"{place.rstrip('/')}/{file}"
    return ""


def _place_of(file: str, path: Sequence[str]) -> int:
    """On which place of the search path it was found; behind all where that is none of them."""
    holding = [entry for entry in path if is_within(file, entry)]
    return path.index(max(holding, key=len)) if holding else len(path)


def is_attached(launch: Launch) -> bool:
    """Whether an instance with this launch has a debugger before it loads user code."""
    return "FCLOCAL_DEBUG_ATTACH" in launch.env


def _debugger(launch: Launch) -> str:
    return launch.env.get("FCLOCAL_DEBUG_HOME", "") if is_attached(launch) else ""


def _editable(launch: Launch) -> tuple[str, ...]:
    return (launch.cwd, launch.env.get("FCLOCAL_LAYERS", LAYERS))


def _below(file: str, folders: Iterable[str]) -> bool:
    return any(is_within(file, folder) for folder in folders)


def _pairs(modules: Any) -> Iterator[tuple[str, str]]:
    for pair in modules if isinstance(modules, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str):
            yield pair[0], pair[1] if isinstance(pair[1], str) else ""


def _third_party(file: str, editable: Sequence[str]) -> bool:
    """Below the code and the layers nothing but packages is among the modules; elsewhere they are in `site-packages`,
    or Debian's `dist-packages`."""
    return _below(file, editable) or "-packages/" in file


def _roots(modules: Sequence[tuple[str, str]], path: Sequence[str]) -> set[str]:
    """Folders on the search path from which something comes: one changes when a package is installed in it."""
    used = {file for name, file in modules if file and "." not in name}
    return {entry for entry in path if any(is_within(file, entry) for file in used)}


class _Packages:
    """Which files belong to packages that are installed in folders of the search path."""

    def __init__(self, tree: Tree, path: Sequence[str]) -> None:
        self._tree = tree
        self._path = sorted(path, key=len, reverse=True)
        self._own: dict[str, frozenset[str]] = {}
        self.records: list[str] = []

    def own(self, file: str) -> bool:
        place = next((entry for entry in self._path if is_within(file, entry)), None)
        if place is None:
            return False
        if place not in self._own:
            self._own[place] = frozenset(self._recorded(place))
        return file[len(place) :].lstrip("/") in self._own[place]

    def importable(self) -> Iterator[str]:
        """Files, and folders with a slash, from which something of such a package may be imported."""
        for place, files in self._own.items():
            yield from dict.fromkeys(
                f"{place}/{folder}/" if slash else f"{place}/{file}"
                for file in files
                if file.endswith(_STEMS) and not file.startswith("..")
                for folder, slash, _ in (file.rpartition("/"),)
            )

    def _recorded(self, place: str) -> Iterator[str]:
        """RECORD: one line for each installed file, relative to the folder (packaging.python.org)."""
        import csv  # what most functions load is not installed there

        folder = self._tree.host(place)
        for record in sorted(folder.glob("*.dist-info/RECORD")) if folder is not None else ():
            self.records.append(str(record))
            with record.open(newline="", encoding="utf-8", errors="replace") as source:
                yield from (row[0] for row in csv.reader(source) if row)


def _importable(folder: Path | None, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Name and file of what can be imported from a folder by one of these names."""
    try:
        entries = [*os.scandir(folder)] if folder is not None else []
    except OSError:
        return
    for entry in entries:
        stem, dot, _ = entry.name.partition(".")
        if stem in names and (entry.name.endswith(_STEMS) if dot else Path(entry.path, "__init__.py").exists()):
            yield stem, entry.name
