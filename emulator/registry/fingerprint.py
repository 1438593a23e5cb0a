"""What identifies a deployment: digests of code, layers and declaration, and FC's code checksum (platform.md §1.7)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from emulator.model.function import Function
from emulator.registry.ignoring import ignored
from emulator.registry.package import Package, file_digest

# Byte by byte in Python is about 10 MB/s, so only small archives are summed as they are
MAX_SUMMED_BYTES = 4 * 1024 * 1024
ECMA_182_REFLECTED = 0xC96C5795D7870F42
MASK = 0xFFFFFFFFFFFFFFFF


class Fingerprint(Struct, frozen=True):
    """`revision` is of all that an instance is made of, `code` of the code alone; both in hex, and equal only where
    that is. `checksum` is FC's code checksum in decimal."""

    revision: str
    code: str
    checksum: str


class Contents:
    """What lies on the disk of code and layers, read once and kept: whoever learns of a change has it looked at again.

    Not for two threads at once.
    """

    def __init__(self) -> None:
        self._packages: dict[Path, Package] = {}
        self._files: dict[Path, str] = {}
        self._layers: dict[Path, str] = {}

    def look(self, code: Path, names: Iterable[str] | None = None) -> set[str]:
        """Look at these files and folders of a code folder again, at all of it by default. Those that changed."""
        package = self._packages.get(code)
        if package is None:
            package = self._packages[code] = Package(code)
        return package.scan() if names is None else package.look(names)

    def files(self, code: Path) -> dict[str, bytes]:
        """The files of a code folder as they were looked at last: name → what tells its mode and content."""
        return self._packages[code].files() if code in self._packages else {}

    def look_at_file(self, path: Path) -> bool:
        """The same for code, or for a layer, that is one file."""
        before, now = self._files.get(path, ""), file_digest(path)
        self._files[path] = now
        return now != before

    def look_at_layer(self, layer: Path) -> bool:
        """Whether a layer has changed: an archive by its content; a folder, which may be large, by sizes and times."""
        before, now = self._layers.get(layer, ""), layer_digest(layer)
        self._layers[layer] = now
        return now != before

    def fingerprint(self, function: Function, *, known: bool = False) -> Fingerprint:
        """Of a function's code, of its layers and of its declaration; as all were when they were looked at last where
        they are `known`, else as they are now.

        What a function finds in NAS, OSS and /tmp is its data and does not count.

        FC's checksum is CRC-64/ECMA-182 of the uploaded zip. A zip of up to 4 MB is summed as it is, and then equals
        FC's. Of a folder there is no zip, so the sum is of its digest, as of a large archive: stable and changing with
        the code, but not FC's number. No code has the sum 0.
        """
        own = self._code_digest(function.code, known)
        layers = [self._layer_digest(layer.path, known) for layer in function.layers if layer.path]
        mounted = [self._code_digest(mount.source, known) for mount in function.code_mounts if mount.source.exists()]
        parts = "\n".join([own, *layers, *mounted, declaration(function)])
        whole = hashlib.sha256(parts.encode("utf-8", "surrogateescape"))
        return Fingerprint(whole.hexdigest(), own, str(_checksum(function.code, own)))

    def layer_key(self, layer: Path) -> str:
        """What tells a layer's content from any other, as it was looked at last."""
        return self._layer_digest(layer, known=True)

    def _code_digest(self, code: Path | None, known: bool) -> str:
        if code is None:
            return ""
        if code.is_file():
            if not known or code not in self._files:
                self.look_at_file(code)
            return self._files[code]
        if not known or code not in self._packages:
            self.look(code)
        return self._packages[code].digest

    def _layer_digest(self, layer: Path, known: bool) -> str:
        if not known or layer not in self._layers:
            self.look_at_layer(layer)
        return self._layers[layer]


def declaration(function: Function) -> str:
    """A function without what makes no difference to it: the lines of the project file, and how its code is built."""
    triggers = tuple(replace(trigger, place=None) for trigger in function.triggers)
    return repr(replace(function, triggers=triggers, build=(), place=None))


def layer_digest(layer: Path) -> str:
    """Of a layer's archive by its content; of its folder by sizes and times of its files."""
    if layer.is_file():
        return file_digest(layer)
    digest = hashlib.sha256()
    for path in sorted(package_files(layer)):
        seen = path.lstat()
        line = f"{path.relative_to(layer)}\0{seen.st_mode:o}\0{seen.st_size}\0{seen.st_mtime_ns}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def package_files(code: Path) -> Iterator[Path]:
    """Files and links of a code folder that belong to its package, in no order; links are not followed.

    `.fcignore` (Fun: `.funignore`) in the folder is read like .gitignore; ignored folders are not entered.
    """
    is_ignored = ignored(code)
    for folder, folders, files in os.walk(code):
        here = Path(folder)
        below = here.relative_to(code).as_posix()
        prefix = "" if below == "." else f"{below}/"
        kept = []
        for name in folders:
            if (here / name).is_symlink():
                files.append(name)
            elif not is_ignored(f"{prefix}{name}/"):
                kept.append(name)
        folders[:] = kept
        for name in files:
            path = here / name
            if not is_ignored(f"{prefix}{name}") and (path.is_symlink() or path.is_file()):
                yield path


def _checksum(code: Path | None, digest: str) -> int:
    if code is None or not code.exists():
        return 0
    if code.is_file() and code.stat().st_size <= MAX_SUMMED_BYTES:
        return crc64(code.read_bytes())
    return crc64(digest.encode())


def crc64(data: bytes, start: int = 0) -> int:
    """CRC-64/ECMA-182 in the reflected form that Alibaba Cloud's services and SDKs call by that name (CRC-64/XZ)."""
    table = _table()
    crc = start ^ MASK
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ MASK


@cache
def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (ECMA_182_REFLECTED if value & 1 else 0)
        table.append(value)
    return tuple(table)
