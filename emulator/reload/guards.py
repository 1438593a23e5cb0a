"""Tells whether anything has happened to some files: by inotify, for as long as it can be sure to be told of all."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from emulator.reload import inotify as i
from emulator.reload.places import Probe, shared_kind_here


class Guards:
    """Makes guards; `state_dir` is where it may be tried whether a file system tells of changes."""

    def __init__(self, state_dir: Path) -> None:
        self._probe = Probe(state_dir)
        self._probing = threading.Lock()

    def guarding(self, paths: Sequence[str]) -> FileGuard | None:
        """For these files, or folders with the names in them; None where changes would not be told: on file systems
        that others write to, and where the kernel gives no more watches. Takes milliseconds."""
        try:
            guard = FileGuard(paths)
        except OSError:
            return None
        if all(map(self._tells, guard.file_systems)):
            return guard
        guard.close()
        return None

    def _tells(self, folder: str) -> bool:
        with self._probing:
            return not shared_kind_here(folder) and self._probe.tells(folder)


class FileGuard:
    """Watches the folders of `paths`, and those that a look at one of them passes through: each may be exchanged. Only
    what is written through memory (mmap(2)) is not told.

    Raises `OSError` where one can not be watched.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.is_over = False
        self._inotify = i.Inotify()
        # A folder on the way → what is looked up there; whatever else happens there is nobody's business.
        self._ways: dict[int, set[str]] = {}
        self._kept: set[int] = set()
        self._linked: set[int] = set()
        # File systems: a folder of each.
        self._devices: dict[int, str] = {}
        try:
            self._watch(paths)
        except OSError:
            self._inotify.close()
            raise

    @property
    def file_systems(self) -> Iterable[str]:
        return self._devices.values()

    def happened(self) -> bool:
        """Whether anything did since it was asked last, or may have."""
        found = False
        for seen in self._inotify.read() if self._inotify.pending() else ():
            found = self._matters(seen) or found
        return found

    def close(self) -> None:
        self._inotify.close()

    def _matters(self, seen: i.Seen) -> bool:
        if seen.watch in self._linked:
            return True
        passed = seen.name in self._ways.get(seen.watch, ())
        if passed or not seen.name:
            # A folder is another one now, or has gone, or was not told of all.
            self.is_over = self.is_over or passed or bool(seen.mask & ~i.ATTRIB)
            return True
        return seen.watch in self._kept

    def _watch(self, paths: Sequence[str]) -> None:
        ways = _Ways()
        for path in paths:
            ways.follow(path)
        for folder, name in ways.steps:
            self._ways.setdefault(self._add(folder, i.NAMES), set()).add(name)
        for folder in ways.folders:
            self._kept.add(self._add(folder, i.WRITES))
        self._linked.update(self._inotify.add(path, i.CONTENT, only_folders=False) for path in ways.linked)

    def _add(self, folder: str, wanted: int) -> int:
        self._devices.setdefault(os.stat(folder).st_dev, folder)  # noqa: PTH116 - hundreds of them
        return self._inotify.add(folder, wanted)


class _Ways:
    """What lies on the ways to files. `steps` are folders with a name that is looked up there, `folders` those whose
    content counts, `linked` files that have other names, under which they may be written to as well."""

    def __init__(self) -> None:
        self.steps: set[tuple[str, str]] = set()
        self.folders: set[str] = set()
        self.linked: set[str] = set()
        self._followed: set[str] = set()
        # Folders, with the place that each really is at: nothing for one that is not there.
        self._places = {"": "/"}

    def follow(self, path: str) -> None:
        """To a file, or a folder whose names count; either may be missing."""
        folder, _, name = path.rpartition("/")
        place = self._place(folder)
        if not place:
            return
        self.folders.add(place)
        found = _look(here := _below(place, name))
        if found is None or here in self._followed:
            return
        self._followed.add(here)
        if stat.S_ISLNK(found.st_mode):
            self.steps.add((place, name))
            self.follow(_below(place, os.readlink(here)))  # noqa: PTH115 - a text, as everything here
        elif stat.S_ISDIR(found.st_mode):
            self.folders.add(self._place(path))
        elif found.st_nlink > 1:
            self.linked.add(here)

    def _place(self, path: str) -> str:
        known = self._places.get(path)
        if known is None:
            self._places[path] = ""  # for links that lead to themselves
            known = self._places[path] = self._found(path)
        return known

    def _found(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        place = self._place(folder)
        if not place or name in ("", "."):
            return place
        if name == "..":
            return os.path.dirname(place)  # noqa: PTH120
        self.steps.add((place, name))
        found = _look(here := _below(place, name))
        if found is not None and stat.S_ISLNK(found.st_mode):
            return self._place(_below(place, os.readlink(here)))  # noqa: PTH115
        return here if found is not None and stat.S_ISDIR(found.st_mode) else ""


def _below(folder: str, name: str) -> str:
    return name if name.startswith("/") else f"{folder.rstrip('/')}/{name}"


def _look(path: str) -> os.stat_result | None:
    with contextlib.suppress(OSError):
        return os.lstat(path)
    return None
