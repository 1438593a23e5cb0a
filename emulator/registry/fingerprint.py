"""What identifies a deployment: digests of code, layers and declaration, and FC's code checksum (platform.md §1.7)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from emulator.model.function import Function

# Kept out of the fingerprint as well as of the package: changing them changes no function
IGNORED_FOLDERS = (".git", ".fclocal", ".s", "__pycache__")
IGNORED_NAMES = (".DS_Store",)
IGNORED_ENDING = ".pyc"
ALWAYS_IGNORED = (*(f"{name}/" for name in IGNORED_FOLDERS), *IGNORED_NAMES, f"*{IGNORED_ENDING}")
IGNORE_FILES = (".fcignore", ".funignore")
MAX_IGNORE_BYTES = 256 * 1024
# Byte by byte in Python is about 10 MB/s, so only small archives are summed as they are
MAX_SUMMED_BYTES = 4 * 1024 * 1024
CHUNK = 1024 * 1024
ECMA_182_REFLECTED = 0xC96C5795D7870F42
MASK = 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`revision` is of all that an instance is made of, `code` of the code alone; both in hex, and equal only where
    that is. `checksum` is FC's code checksum in decimal."""

    revision: str
    code: str
    checksum: str


def fingerprint(function: Function) -> Fingerprint:
    """Of a function's code and layers as they are now, and of its declaration.

    What a function finds in NAS, OSS and /tmp is its data and does not count.

    FC's checksum is CRC-64/ECMA-182 of the uploaded zip. A zip of up to 4 MB is summed as it is, and then equals FC's.
    Of a folder there is no zip, so the sum is of its sorted `path mode sha256` lines, and of a large archive it is of
    its sha256: stable and changing with the code, but not FC's number. No code has the sum 0.
    """
    code = function.code
    lines = b"" if code is None else _describe(code)
    own = hashlib.sha256(lines).hexdigest()
    parts = [own, *(layer_digest(layer.path) for layer in function.layers if layer.path), _declaration(function)]
    whole = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape"))
    return Fingerprint(whole.hexdigest(), own, str(_checksum(code, lines)))


def _declaration(function: Function) -> str:
    """Without what makes no difference to it: the lines of the project file, and how its code is built."""
    triggers = tuple(replace(trigger, place=None) for trigger in function.triggers)
    return repr(replace(function, triggers=triggers, build=(), place=None))


def layer_digest(layer: Path) -> str:
    """Of a layer's archive by its content; of its folder, which may be large, by sizes and times of its files."""
    if layer.is_file():
        return hashlib.sha256(_line(layer.parent, layer)).hexdigest()
    digest = hashlib.sha256()
    for path in sorted(package_files(layer)):
        seen = path.lstat()
        line = f"{path.relative_to(layer)}\0{seen.st_mode:o}\0{seen.st_size}\0{seen.st_mtime_ns}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _describe(code: Path) -> bytes:
    if code.is_dir():
        return b"".join(_line(code, path) for path in sorted(package_files(code)))
    return _line(code.parent, code) if code.exists() else b""


def _line(root: Path, path: Path) -> bytes:
    name = os.fsencode(path.relative_to(root))
    try:
        if path.is_symlink():
            return b"%s link %s\n" % (name, os.fsencode(path.readlink()))
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest().encode()
        return b"%s %o %s\n" % (name, path.stat().st_mode & 0o111, digest)
    except OSError:  # gone between listing and reading, or not readable: the next look sees another digest
        return b"%s -\n" % name


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


def ignored(code: Path) -> Callable[[str], bool]:
    """Whether a path below the folder stays out of its package; paths of folders end in a slash."""
    lines = []
    for name in IGNORE_FILES:
        path = code / name
        if path.is_file():
            with path.open("rb") as stream:
                lines += stream.read(MAX_IGNORE_BYTES).decode("utf-8", "replace").splitlines()
    return _by_patterns(lines) if lines else _by_name


def _by_name(path: str) -> bool:
    """What ALWAYS_IGNORED means, for folders without an ignore file."""
    name = path.rstrip("/").rpartition("/")[2]
    return name.endswith(IGNORED_ENDING) or name in IGNORED_NAMES or (path[-1] == "/" and name in IGNORED_FOLDERS)


def _by_patterns(lines: list[str]) -> Callable[[str], bool]:
    # Takes longer to load than ten functions to deploy, and few folders have an ignore file.
    from pathspec import GitIgnoreSpec

    try:
        spec = GitIgnoreSpec.from_lines([*ALWAYS_IGNORED, *lines])
    except ValueError:
        spec = GitIgnoreSpec.from_lines(ALWAYS_IGNORED)
    return spec.match_file


def _checksum(code: Path | None, lines: bytes) -> int:
    if code is None or not lines:
        return 0
    if code.is_file() and code.stat().st_size <= MAX_SUMMED_BYTES:
        return crc64(code.read_bytes())
    return crc64(lines)


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
