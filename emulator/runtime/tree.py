"""The files of an instance as Function Compute lays them out, before walls make them real."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from emulator.model.launch import Link, Mount

CODE = "/code"
LAYERS = "/opt"
# Folders that walls show as they are on the host.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64")


class Tree(Struct, frozen=True):
    """Mounts and links by their paths inside, with the question where on the host something inside is.

    `walled` is false where a program sees the host's files beside them, `system` where the system's are an image's.
    """

    mounts: tuple[Mount, ...] = ()
    links: tuple[Link, ...] = ()
    walled: bool = True
    system: bool = True

    def host(self, path: str) -> Path | None:
        """The host's file behind the absolute path `path`; where nothing is there, the place where it would be.

        None where only the walls know, such as /tmp.
        """
        path = posixpath.normpath(path)
        for link in self.links:
            if path == link.target:
                return Path(link.points_to)
        for mount in sorted(self.mounts, key=lambda mount: -len(mount.target)):
            if is_within(path, mount.target):
                return _first_source(mount, path[len(mount.target) :].lstrip("/"))
        seen = not self.walled or (self.system and any(is_within(path, folder) for folder in SYSTEM))
        return Path(path) if seen else None

    def search(self, name: str, path: str) -> tuple[Path | None, bool]:
        """Look for the program `name` along `path` (a PATH); also whether every folder of it could be looked into."""
        certain = True
        for folder in path.split(":"):
            file = self.host(posixpath.join(CODE, folder, name))
            if file is None:
                certain = certain and self.system and not folder.startswith(("/tmp", "/mnt", "/home", "/data"))  # noqa: S108
            elif file.is_file() and is_executable(file):
                return file, True
        return None, certain


def is_within(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def is_executable(file: Path) -> bool:
    """Any x bit, as the kernel asks of root; we may not be the one who runs it."""
    return bool(file.stat().st_mode & 0o111)


def outermost(folders: Sequence[Path]) -> Iterator[Path]:
    """Each folder that is not inside another one of them."""
    for folder in dict.fromkeys(folders):
        if not any(folder != other and folder.is_relative_to(other) for other in folders):
            yield folder


def _first_source(mount: Mount, rest: str) -> Path:
    files = [source / rest if rest else source for source in mount.files]
    return next((file for file in files if file.exists() or file.is_symlink()), files[0])
