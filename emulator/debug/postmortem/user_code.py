"""A function's code as an instance saw it and as it lies on this machine."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from msgspec import Struct

from emulator.debug.paths import places
from emulator.debug.postmortem.bundle import Dump, all_frames
from emulator.instance.instance import Instance
from emulator.model.launch import Launch

CODE = "/code"
# What is installed beside the code is not the user's own.
INSTALLED = ("site-packages", "dist-packages", "3rd-packages", "node_modules")
FILE_BYTES = 256 * 1024
ALL_BYTES = 1024 * 1024


class UserCode(Struct, frozen=True):
    """`folder` on this machine is `target` to the instance; no folder where the function has no code of its own."""

    folder: Path | None
    target: str

    @classmethod
    def of(cls, instance: Instance) -> UserCode:
        launch = instance.sandbox.launch
        target = launch.cwd.rstrip("/") or CODE
        return cls(instance.revision.code_dir or _original(launch, target), target)

    def is_library(self, file: str) -> bool:
        return not file.startswith(f"{self.target}/") or any(part in file for part in INSTALLED)

    def short(self, file: str) -> str:
        return file.removeprefix(f"{self.target}/")

    def sources(self, dump: Dump) -> dict[str, list[tuple[int, str]]]:
        """The user's own files of a dump, read here. An instance names them, so nothing outside of the folder is."""
        found: dict[str, list[tuple[int, str]]] = {}
        room = ALL_BYTES
        for file in dict.fromkeys(frame.file for frame in all_frames(dump)):
            path = self._inside(file)
            if path is None:
                continue
            try:
                if path.stat().st_size > min(FILE_BYTES, room):
                    continue
                text = path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            room -= len(text)
            found[file] = [(1, text)]
        return found

    def _inside(self, file: str) -> Path | None:
        if self.folder is None or not file.startswith(f"{self.target}/"):
            return None
        root = self.folder.resolve()
        path = Path(root, file[len(self.target) + 1 :]).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None


def _original(launch: Launch, folder: str) -> Path | None:
    """What an image's working directory was made of, or what is mounted there."""
    for source, target in places(launch):
        inside = PurePosixPath(target)
        if target == folder:
            return source
        if str(inside.parent) == folder and inside.name == source.name:
            return source.parent
    return None
