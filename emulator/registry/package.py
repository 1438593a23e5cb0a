"""The files of a code folder, each with its digest, so that a change costs what changed and not the whole folder."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from emulator.registry.ignoring import IGNORE_FILES, ignored

# The coarsest clock that file systems stamp with ticks every 10 ms; a file that is younger when it is read may be
# written again within the same stamp, as in git's "racy" index entries.
RACY_NS = 50_000_000
# Above this a file is read in pieces.
WHOLE_BYTES = 4 * 1024 * 1024

Stamp = tuple[int, int, int, int, int]


class _File:
    """`line` is what the folder's digest is made of; `stamp` tells without reading that the file is the same, and is
    None where it can not."""

    __slots__ = ("line", "stamp")

    def __init__(self, line: bytes, stamp: Stamp | None) -> None:
        self.line = line
        self.stamp = stamp


class _Folder:
    __slots__ = ("digest", "files", "folders")

    def __init__(self) -> None:
        self.files: dict[str, _File] = {}
        self.folders: dict[str, _Folder] = {}
        self.digest: bytes | None = None


class Package:
    """What FC would upload of one folder, as it was when it was last looked at. Not for two threads at once.

    Names are relative to the folder, with `/`. `.fcignore` (Fun: `.funignore`) is read like .gitignore; ignored folders
    are not entered, links are not followed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._top = _Folder()
        self._ignored = ignored(root)

    @property
    def digest(self) -> str:
        """Of names, modes and contents, in hex."""
        return _digest(self._top).hex()

    def files(self) -> dict[str, bytes]:
        """What is known of each file, by its name: mode and content."""
        return dict(_files(self._top, ""))

    def scan(self) -> set[str]:
        """Look at everything; what has the same size, times and inode is taken for the same. The names that changed."""
        self._ignored = ignored(self.root)
        changed: set[str] = set()
        self._scan(self._top, str(self.root), "", changed)
        return changed

    def look(self, names: Iterable[str]) -> set[str]:
        """Look at these files and folders, which may be gone, and read them whatever their times say. The names of
        files that changed."""
        names = sorted({*names})
        if any(name in IGNORE_FILES or name == "" for name in names):
            return self.scan()
        changed: set[str] = set()
        for name in names:
            self._look(name, changed)
        return changed

    def _look(self, name: str, changed: set[str]) -> None:
        *above, own = name.split("/")
        chain, prefix = [self._top], ""
        for part in above:
            prefix += f"{part}/"
            if self._ignored(prefix):
                return
            chain.append(chain[-1].folders.setdefault(part, _Folder()))
        count = len(changed)
        self._look_in(chain[-1], own, name, changed)
        if len(changed) > count:
            for folder in chain:
                folder.digest = None
        for part, folder, child in reversed([*zip(above, chain[:-1], chain[1:], strict=True)]):
            if not child.files and not child.folders:
                del folder.folders[part]

    def _look_in(self, folder: _Folder, own: str, name: str, changed: set[str]) -> None:
        path = os.path.join(self.root, name)  # noqa: PTH118 - called for each of thousands
        try:
            seen = os.lstat(path)
        except OSError:
            seen = None
        is_folder = seen is not None and stat.S_ISDIR(seen.st_mode)
        if own in folder.folders and not is_folder:
            _forget(folder.folders.pop(own), f"{name}/", changed)
        if seen is None or is_folder or not _is_packed(seen) or self._ignored(name):
            if folder.files.pop(own, None) is not None:
                changed.add(name)
            if is_folder and not self._ignored(f"{name}/"):
                self._scan_below(folder, own, path, f"{name}/", changed)
            return
        self._read(folder, own, path, name, seen, changed)

    def _scan(self, folder: _Folder, path: str, prefix: str, changed: set[str]) -> None:
        count = len(changed)
        files, folders = {*folder.files}, {*folder.folders}
        for entry in _entries(path):
            own, name = entry.name, prefix + entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    if not self._ignored(f"{name}/"):
                        folders.discard(own)
                        self._scan_below(folder, own, entry.path, f"{name}/", changed)
                    continue
                seen = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if _is_packed(seen) and not self._ignored(name):
                files.discard(own)
                known = folder.files.get(own)
                if known is None or known.stamp is None or known.stamp != _stamp(seen):
                    self._read(folder, own, entry.path, name, seen, changed)
        for own in files:
            del folder.files[own]
            changed.add(prefix + own)
        for own in folders:
            _forget(folder.folders.pop(own), f"{prefix}{own}/", changed)
        if len(changed) > count:
            folder.digest = None

    def _scan_below(self, folder: _Folder, own: str, path: str, prefix: str, changed: set[str]) -> None:
        below = folder.folders.get(own) or _Folder()
        self._scan(below, path, prefix, changed)
        if below.files or below.folders:
            folder.folders[own] = below
        else:
            folder.folders.pop(own, None)

    def _read(self, folder: _Folder, own: str, path: str, name: str, seen: os.stat_result, changed: set[str]) -> None:
        read_at = time.time_ns()
        known, line = folder.files.get(own), _line(own, path, seen)
        racy = read_at - max(seen.st_mtime_ns, seen.st_ctime_ns) < RACY_NS
        folder.files[own] = _File(line, None if racy else _stamp(seen))
        if known is None or known.line != line:
            changed.add(name)


def _forget(folder: _Folder, prefix: str, changed: set[str]) -> None:
    changed.update(prefix + own for own in folder.files)
    for own, below in folder.folders.items():
        _forget(below, f"{prefix}{own}/", changed)


def _files(folder: _Folder, prefix: str) -> Iterator[tuple[str, bytes]]:
    for own, file in folder.files.items():
        yield prefix + own, file.line
    for own, below in folder.folders.items():
        yield from _files(below, f"{prefix}{own}/")


def _digest(folder: _Folder) -> bytes:
    if folder.digest is None:
        lines = [file.line for file in folder.files.values()]
        lines += [b"%s/ %s\n" % (os.fsencode(own), _digest(it).hex().encode()) for own, it in folder.folders.items()]
        folder.digest = hashlib.sha256(b"".join(sorted(lines))).digest()
    return folder.digest


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError:
        return []


def _is_packed(seen: os.stat_result) -> bool:
    return stat.S_ISREG(seen.st_mode) or stat.S_ISLNK(seen.st_mode)


def _stamp(seen: os.stat_result) -> Stamp:
    return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, seen.st_mode


def _line(own: str, path: str, seen: os.stat_result) -> bytes:
    """A file's `name mode sha256`. What is gone, or may not be read, has no digest: the next look sees another one."""
    name = os.fsencode(own)
    try:
        if stat.S_ISLNK(seen.st_mode):
            return b"%s link %s\n" % (name, os.fsencode(os.readlink(path)))  # noqa: PTH115 - as above
        with open(path, "rb") as stream:  # noqa: PTH123 - as above
            if seen.st_size > WHOLE_BYTES:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            else:
                digest = hashlib.sha256(stream.read()).hexdigest()
        return b"%s %o %s\n" % (name, seen.st_mode & 0o111, digest.encode())
    except OSError:
        return b"%s -\n" % name


def file_digest(file: Path) -> str:
    """Of code or of a layer that is one file, by its name, mode and content."""
    try:
        seen = file.stat()
    except OSError:
        return ""
    return hashlib.sha256(_line(file.name, str(file), seen)).hexdigest()
