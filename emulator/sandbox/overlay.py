"""Writable views of host folders: what is written goes to an upper folder that is thrown away."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from emulator.model.launch import Mount


class Overlay(Struct, frozen=True):
    """One OVERLAY mount, staged under short and safe names in `stage` (`l0`… are links to the real sources).

    Neither mount(8) nor the kernel needs to escape anything then, whatever a project's path contains.
    """

    mount: Mount
    stage: Path
    number: int

    @property
    def upper(self) -> Path:
        return self.stage / f"{self.number}.upper"

    @property
    def work(self) -> Path:
        return self.stage / f"{self.number}.work"

    @property
    def merged(self) -> Path:
        """Where mount(8) puts it, in a mount namespace of its own."""
        return self.stage / f"{self.number}.merged"

    @property
    def options(self) -> str:
        """For mount(8), relative to `stage`. The first lower folder wins, as the first source of a Mount does."""
        return f"{self.short_options(writable=True)},userxattr"

    def short_options(self, *, writable: bool) -> str:
        """For root, relative to `stage`."""
        n = self.number
        lower = ":".join(f"{n}.l{index}" for index in range(len(self.mount.sources)))
        return f"lowerdir={lower}" + (f",upperdir={n}.upper,workdir={n}.work" if writable else "")

    @property
    def absolute_options(self) -> str:
        """For a container engine, whose working folder is another one. `stage` must hold no comma and no colon."""
        lower = ":".join(f"{self.stage}/{self.number}.l{index}" for index in range(len(self.mount.sources)))
        return f"lowerdir={lower},upperdir={self.upper},workdir={self.work}"

    def prepare(self) -> None:
        """Make the folders. Raises `OSError`."""
        for folder in (self.upper, self.work, self.merged):
            folder.mkdir()
        for index, source in enumerate(self.mount.sources):
            (self.stage / f"{self.number}.l{index}").symlink_to(source.absolute())

    def written(self) -> list[str]:
        """Paths as seen inside that were written, and `- path` for deleted ones."""
        return [_tell(self.mount.target, self.upper, entry) for entry in _changes(self.upper)]


def stage_overlays(mounts: Sequence[Mount], stage: Path) -> list[Overlay]:
    """Overlays for these OVERLAY mounts, their folders made below `stage`. Raises `OSError`."""
    overlays = [Overlay(mount, stage, number) for number, mount in enumerate(mounts)]
    if overlays:
        stage.mkdir(exist_ok=True)
    for overlay in overlays:
        overlay.prepare()
    return overlays


def _changes(folder: Path) -> Iterator[Path]:
    """Files, deletions, and folders that hold nothing else or that replace another."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            below = list(_changes(path))
            yield from below or [path]
        else:
            yield path


def _tell(target: str, upper: Path, path: Path) -> str:
    inside = f"{target.rstrip('/')}/{path.relative_to(upper)}"
    return f"- {inside}" if _is_whiteout(path) else inside


def _is_whiteout(path: Path) -> bool:
    """A deleted file is a character device 0/0 in the upper folder."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0
