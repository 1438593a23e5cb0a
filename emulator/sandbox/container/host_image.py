"""A base image made of what this machine has, without any registry: an interpreter, what it loads, and a shell."""

from __future__ import annotations

import asyncio
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct

from emulator.model.errors import SandboxError
from emulator.sandbox.container import labels
from emulator.sandbox.container.base_image import skeleton
from emulator.sandbox.container.engine import Api, Engine
from emulator.sandbox.container.store import Stored, find

# Of the host's own programs, those that build steps and start scripts call.
PROGRAMS = (
    "sh",
    "bash",
    "env",
    "cat",
    "ls",
    "mkdir",
    "cp",
    "mv",
    "rm",
    "ln",
    "chmod",
    "sleep",
    "id",
    "uname",
    "dirname",
)
# What packages with C++ in them, name look-ups and older programs load by themselves.
LIBRARIES = (
    "libdl.so.2", "libgcc_s.so.1", "libgomp.so.1", "libnss_dns.so.2", "libnss_files.so.2", "libpthread.so.0",
    "libresolv.so.2", "librt.so.1", "libstdc++.so.6", "libutil.so.1", "libz.so.1",
)  # fmt: skip
ETC = ("ssl", "ca-certificates", "pki", "nsswitch.conf", "protocols", "services", "mime.types", "ld.so.conf.d")
# What no program needs: tests, caches, what compilers read.
_LEFT_OUT = re.compile(
    r"(?:^|/)(?:__pycache__|tests?|idlelib|turtledemo|include|share|config-[^/]*|lib2to3)(?:/|$)|\.(?:a|pyc|pyo)$"
)
# Of installed packages only what installs others, as official images have it; the rest is some project's.
_PACKAGE = re.compile(
    r"(?:^|/)(?:site|dist)-packages/(?!pip|setuptools|wheel|_distutils_hack|pkg_resources|distutils-)\w"
)
_LISTED = re.compile(r"(?:=> )?(/\S+) \(")
_SYSTEM_PREFIXES = ("/usr", "/usr/local")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BATCH = 100
PIP = '#!/bin/sh\nexec python3 -m pip "$@"\n'


class Brought(Struct, frozen=True):
    """An interpreter to put in: its binary, the folder that it needs, and all names that lead to it."""

    binary: Path
    prefix: Path
    version: str
    links: tuple[str, ...]

    @property
    def is_python(self) -> bool:
        return self.binary.name.startswith("python")


async def build_host_image(engine: Engine, reference: str, brought: Sequence[Brought]) -> Stored:
    """Make the image `reference`. Raises `SandboxError`."""
    changes = [f"ENV PATH={PATH}", f"LABEL {labels.IMAGE}={reference}"]
    if brought:
        changes.append(f'CMD ["{brought[0].links[0]}"]')
    with tempfile.TemporaryFile() as archive:
        try:
            await asyncio.to_thread(pack, archive, brought)
        except OSError as error:
            raise SandboxError(f"{error.filename or 'this machine'} can not be read: {error.strerror}") from error
        archive.seek(0)
        # podman does not look at a tag that is given by itself.
        await engine.call(Api.import_image_from_data, archive, reference, changes=changes)
    found = await find(engine, reference)
    if found is None:
        raise SandboxError(f"the image {reference} was made, and is not here", "fclocal images")
    return found


def pack(archive: IO[bytes], brought: Sequence[Brought]) -> None:
    """Write a tar archive of the image's files, at the paths that they have on this machine. Raises `OSError`."""
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        with tarfile.open(fileobj=io.BytesIO(skeleton())) as bare:
            for member in bare:
                tar.addfile(member)
        packer = _Packer(tar)
        files = [*_programs(), *_known_libraries(), *(file for one in brought for file in _interpreter_files(one))]
        for path in (*files, *_libraries(files)):
            packer.add(path)
        for name in ETC:
            packer.add_tree(Path("/etc", name))
        for one in brought:
            for link in one.links:
                packer.link(link, str(one.binary))
            if one.is_python:
                packer.write("/usr/local/bin/pip", PIP, 0o755)
        packer.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/tmp:/bin/sh\n")
        packer.write("/etc/group", "root:x:0:\nnogroup:x:65534:\n")


def _programs() -> Iterator[Path]:
    for name in PROGRAMS:
        if found := shutil.which(name, path="/bin:/usr/bin"):
            yield Path(found)


def _known_libraries() -> Iterator[Path]:
    cached = subprocess.run(["ldconfig", "-p"], env={"PATH": PATH}, capture_output=True, text=True, check=False).stdout
    for name in LIBRARIES:
        if found := re.search(rf"^\s*{re.escape(name)} \(libc6,[^)]*\) => (\S+)$", cached, re.MULTILINE):
            yield Path(found[1])


def _interpreter_files(one: Brought) -> Iterator[Path]:
    """Everything of an installation of its own; of the system's, which shares its folders, what is the language's."""
    yield one.binary
    folders = [one.prefix]
    if str(one.prefix) in _SYSTEM_PREFIXES:
        short = ".".join(one.version.split(".")[:2])
        folders = [one.prefix / "lib" / f"python{short}", one.prefix / "lib/python3"]
    for folder in folders:
        yield from _tree(folder)


def _tree(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        below = os.path.relpath(here, folder)
        folders[:] = sorted(name for name in folders if not _is_left_out(f"{below}/{name}/"))
        for name in sorted((*files, *(name for name in folders if Path(here, name).is_symlink()))):
            if not _is_left_out(f"{below}/{name}"):
                yield Path(here, name)


def _is_left_out(path: str) -> bool:
    return _LEFT_OUT.search(path) is not None or _PACKAGE.search(path) is not None


def _libraries(files: Iterable[Path]) -> Iterator[Path]:
    """What the dynamic loader would bring for these programs and libraries, with the loader itself."""
    found: dict[str, None] = {}
    programs = [str(path) for path in files if _is_elf(path)]
    for at in range(0, len(programs), BATCH):
        listed = subprocess.run(["ldd", *programs[at : at + BATCH]], capture_output=True, text=True, check=False)
        found.update(dict.fromkeys(_LISTED.findall(listed.stdout)))
    for name in found:
        yield Path(name)


def _is_elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"


class _Packer:
    """Puts files into an archive at their own paths, each once, with the links that lead to them."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._done: set[str] = {f"/{name}" for name in tar.getnames()}

    def add(self, path: Path) -> None:
        """A file, and what it is a link to."""
        at = self._place(path)
        if at in self._done or not os.path.lexists(path):
            return
        self._done.add(at)
        if path.is_symlink():
            target = os.readlink(path)  # noqa: PTH115 - as it is written
            self._symlink(at, target)
            pointed = Path(os.path.normpath(path.parent / target))
            if pointed.is_file():
                self.add(pointed)
        elif path.is_file():
            self._tar.add(path, at.lstrip("/"), recursive=False, filter=_as_root)

    def add_tree(self, folder: Path) -> None:
        for path in [folder] if folder.is_file() else _tree(folder):
            self.add(path)

    def link(self, at: str, target: str) -> None:
        if at != target and at not in self._done:
            self._done.add(at)
            self._symlink(at, target)

    def write(self, at: str, text: str, mode: int = 0o644) -> None:
        if at not in self._done:
            self._done.add(at)
            entry = tarfile.TarInfo(at.lstrip("/"))
            entry.size, entry.mode = len(text.encode()), mode
            self._tar.addfile(entry, io.BytesIO(text.encode()))

    def _symlink(self, at: str, target: str) -> None:
        entry = tarfile.TarInfo(at.lstrip("/"))
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(entry)

    def _place(self, path: Path) -> str:
        """/lib may be a link into /usr, which the image has as well."""
        path = Path(os.path.normpath(path))  # loaders tell of `bin/../lib`
        first = Path("/", path.parts[1])
        if first.is_symlink():
            return str(Path("/", first.readlink(), *path.parts[2:]))
        return str(path)


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
