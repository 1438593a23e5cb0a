"""Unpacks code and layer archives that may be hostile, keeping the x bit that `zipfile` drops (sandbox.md §6.3.6).

Zip and tar go through the same three steps: folders and files by checked names, then links, then every link is
looked at once more, since a link made later can change where an earlier one leads.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import posixpath
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from msgspec import Struct, field

from emulator.model.errors import ConfigError
from emulator.model.function import Place
from emulator.registry.unpacked import PARTIAL

MAX_BYTES = 2 * 1024 * 1024 * 1024  # of all files when unpacked; FC takes 500 MB packed
MAX_FILES = 200_000
# An archive may always grow to this, and beyond it to so many times its own size
FREE_BYTES = 100 * 1024 * 1024
MAX_RATIO = 100
MAX_LINK = 1024
# Keeps every real path far below PATH_MAX, where realpath stops following links
MAX_NAME = 1024
CHUNK = 1024 * 1024
# Names that promise an archive: what is none is broken
PACKED = (".zip", ".jar", ".war", ".tar", ".tgz", ".gz")
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


def unpack(archive: Path, into: Path, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> None:
    """Unpack a zip (jar, war) or tar into the folder `into`. Nothing is written outside of it.

    Where `into` does not exist it appears at once and whole, so that a killed emulator leaves no half of it behind.
    Permissions are kept without setuid; links only where they stay inside. Raises `ConfigError` for a broken or
    hostile archive.
    """
    if into.exists():
        _unpack(archive, into, max_bytes, max_files)
        return
    with _whole(archive, into) as partial:
        _unpack(archive, partial, max_bytes, max_files)


@contextlib.contextmanager
def _whole(source: Path, into: Path) -> Iterator[Path]:
    """A folder that becomes `into` when all of it is there; if somebody else was faster, theirs is as good."""
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=into.parent, ignore_cleanup_errors=True) as fresh:
            partial = Path(fresh) / into.name
            partial.mkdir()
            yield partial
            try:
                partial.rename(into)
            except OSError:
                if not into.is_dir():
                    raise
    except OSError as error:
        raise _refused(source, f"can not be unpacked ({error.strerror or error})") from None


def _unpack(archive: Path, into: Path, max_bytes: int, max_files: int) -> None:
    try:
        into.mkdir(parents=True, exist_ok=True)
        allowed = min(max_bytes, max(FREE_BYTES, archive.stat().st_size * MAX_RATIO))
        unpacking = _Unpacking(archive, Path(os.path.realpath(into)), allowed, max_files)
        if zipfile.is_zipfile(archive):
            _unzip(unpacking)
        elif _is_tar(archive):
            _untar(unpacking)
        else:
            raise unpacking.refused("is neither a zip nor a tar archive")
        unpacking.make_links()
    except OSError as error:
        raise _refused(archive, f"can not be unpacked ({error.strerror or error})") from None
    except _BROKEN as error:
        raise _refused(archive, f"is broken ({error})") from None


def is_archive(path: Path) -> bool:
    """True for a zip and for a tar, gzipped or not; other compressions are not read."""
    try:
        return path.is_file() and (zipfile.is_zipfile(path) or _is_tar(path))
    except OSError:
        return False


def stage(code: Path, into: Path, start_command: str = "") -> None:
    """Lay code that is no folder into `into` as FC would: archives are unpacked, but a jar that the start command of a
    custom runtime runs with `java -jar`, and a single file, are put there as they are (as the official tool does).

    `into` must not exist yet. Raises `ConfigError` for a broken or hostile archive.
    """
    run_by_java = code.suffix == ".jar" and "java -jar" in start_command
    if not run_by_java and (code.suffix in PACKED or is_archive(code)):
        unpack(code, into)
        return
    with _whole(code, into) as partial:
        shutil.copy2(code, partial / code.name)


def _refused(archive: Path, why: str) -> ConfigError:
    return ConfigError(f"archive {why}", "pack it again, or name the folder with its content", Place(archive.name))


class _Unpacking(Struct):
    """One archive on its way into a folder, and what it may still take."""

    archive: Path
    into: Path
    left_bytes: int
    left_files: int
    links: list[tuple[Path, str]] = field(default_factory=list)

    def refused(self, why: str) -> ConfigError:
        return _refused(self.archive, why)

    def target(self, name: str) -> Path:
        """Where an entry goes. `\\` is a separator in archives made on Windows."""
        self.left_files -= 1
        if self.left_files < 0:
            raise self.refused("holds too many files")
        clean = name.replace("\\", "/")
        parts = clean.split("/")
        if clean.startswith("/") or ".." in parts or parts[0][1:2] == ":" or "\0" in clean:
            raise self.refused(f"holds `{name[:80]}`, which would be written outside of its folder")
        if len(os.fsencode(clean)) > MAX_NAME:
            raise self.refused(f"holds `{name[:80]}…`, a name of more than {MAX_NAME} bytes")
        return self.into / posixpath.normpath(clean)

    def folder(self, target: Path) -> None:
        target.mkdir(parents=True, exist_ok=True)

    def file(self, stream: IO[bytes], target: Path, mode: int) -> None:
        """Copy in pieces, counting what really comes out: sizes in an archive's index are only claims."""
        if target == self.into:
            raise self.refused("holds a file without a name")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as out:
            while piece := stream.read(CHUNK):
                self.take(len(piece))
                out.write(piece)
        # Archives made on Windows, or by a program, carry no mode
        target.chmod((mode & 0o777) | 0o600 if mode else 0o644)

    def take(self, size: int) -> None:
        self.left_bytes -= size
        if self.left_bytes < 0:
            raise self.refused("grows too large when it is unpacked")

    def link(self, target: Path, text: str) -> None:
        """Remember a link; links come last, so that nothing is written through them."""
        if not text or text.startswith("/") or "\0" in text or len(os.fsencode(text)) > MAX_LINK:
            raise self.refused(f"holds `{target.name}`, a link that leads outside of its folder")
        self.links.append((target, text))

    def make_links(self) -> None:
        for target, text in self.links:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._check(target.parent, target.parent / text, target.name)
            target.unlink(missing_ok=True)
            target.symlink_to(text)
        for target, _ in self.links:
            self._check(target.parent, target, target.name)

    def _check(self, parent: Path, goal: Path, name: str) -> None:
        top = str(self.into)
        for path in (parent, goal):
            if os.path.commonpath((top, os.path.realpath(path))) != top:
                raise self.refused(f"holds `{name}`, a link that leads outside of its folder")


def _unzip(unpacking: _Unpacking) -> None:
    with zipfile.ZipFile(unpacking.archive) as source:
        entries = source.infolist()
        if sum(entry.file_size for entry in entries) > unpacking.left_bytes:
            raise unpacking.refused("grows too large when it is unpacked")
        for entry in entries:
            target = unpacking.target(entry.filename)
            mode = entry.external_attr >> 16
            if entry.is_dir():
                unpacking.folder(target)
                continue
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise unpacking.refused("uses a compression other than deflate")
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFLNK):
                raise unpacking.refused(f"holds `{entry.filename[:80]}`, which is no file, folder or link")
            with source.open(entry) as stream:
                if stat.S_ISLNK(mode):
                    unpacking.link(target, os.fsdecode(stream.read(MAX_LINK + 1)))
                else:
                    unpacking.file(stream, target, mode)


class _Bounded:
    """A stream that refuses large reads: tarfile reads a header as large as the archive says it is at once."""

    def __init__(self, stream: IO[bytes], unpacking: _Unpacking) -> None:
        self._stream = stream
        self._unpacking = unpacking
        self.seek = stream.seek
        self.tell = stream.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= CHUNK:
            raise self._unpacking.refused(f"holds a header of more than {CHUNK} bytes")
        return self._stream.read(size)


def _open_tar(archive: Path) -> IO[bytes]:
    with archive.open("rb") as stream:
        gzipped = stream.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(archive)) if gzipped else archive.open("rb")


def _is_tar(archive: Path) -> bool:
    try:
        with _open_tar(archive) as stream:
            tarfile.TarInfo.frombuf(stream.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile):
        return False
    return True


def _untar(unpacking: _Unpacking) -> None:
    """Not by `extractall(filter="data")`: older interpreters lack it, or have holes in it (CVE-2025-4517)."""
    copies: list[tuple[Path, Path]] = []
    with _open_tar(unpacking.archive) as raw:
        bounded = cast(IO[bytes], _Bounded(raw, unpacking))
        with tarfile.open(fileobj=bounded, mode="r:") as source:
            for member in source:
                _member(unpacking, source, member, copies)
    for original, target in copies:  # hard links, as copies: an instance may write to one of them
        with original.open("rb") as stream:
            unpacking.file(stream, target, original.stat().st_mode)


def _member(
    unpacking: _Unpacking, source: tarfile.TarFile, member: tarfile.TarInfo, copies: list[tuple[Path, Path]]
) -> None:
    target = unpacking.target(member.name)
    if member.isdir():
        unpacking.folder(target)
    elif member.issym():
        unpacking.link(target, member.linkname)
    elif member.islnk():
        copies.append((unpacking.target(member.linkname), target))
    elif member.isreg() and (stream := source.extractfile(member)) is not None:
        if member.size > unpacking.left_bytes:
            raise unpacking.refused("grows too large when it is unpacked")
        with stream:
            unpacking.file(stream, target, member.mode)
    else:
        raise unpacking.refused(f"holds `{member.name[:80]}`, which is no file, folder or link")
