"""`reload: keep`: what lies between two revisions of a function, for the instances that go on with the new code."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from emulator.instance.patching import Edit, patch
from emulator.journal.journal import Journal
from emulator.model.events import PatchRefused
from emulator.model.function import Revision
from emulator.registry.fingerprint import Contents, declaration
from emulator.scheduler.scheduler import Scheduler

CODE = ".py"


class Look(Struct, frozen=True):
    """What a revision was made of: its files with their digests, the folder itself, and its layers."""

    files: Mapping[str, bytes]
    folder: tuple[int, int]
    layers: tuple[str, ...]


class Keeper:
    """Told of each new revision of a function that keeps what it has loaded."""

    def __init__(self, scheduler: Scheduler, contents: Contents, journal: Journal) -> None:
        self._scheduler = scheduler
        self._contents = contents
        self._journal = journal
        self._looks: dict[Revision, Look] = {}

    def moved_on(self, old: Revision | None, new: Revision | None) -> bool:
        """Whether the instances of `old` go over to `new`. If not, they are to be replaced."""
        before = self._looks.pop(old, None) if old is not None else None
        if new is None or new.function.keep is None:
            return False
        if not new.function.runtime.startswith("python"):
            told = f"`reload: keep` is for Python functions; instances of {new.function.runtime} are replaced"
            self._journal.notice(told, function=str(new.function.name))
            return False
        now = self._look(new, before)
        if now is not None:
            self._looks[new] = now
        if old is None or not any(it.revision is old for it in self._scheduler.instances()):
            return False
        edit = _between(old, new, before, now)
        if isinstance(edit, str):
            name, number = str(new.function.name), new.number
            self._journal.append(PatchRefused(self._journal.now(), "", name, number, edit))
            return False
        self._scheduler.hand_over(old, new, functools.partial(patch, revision=new, edit=edit))
        return True

    def _look(self, revision: Revision, before: Look | None) -> Look | None:
        code = revision.function.code
        if code is None or not code.is_dir():
            return None
        seen = code.stat()
        layers = tuple(self._contents.layer_key(it.path) for it in revision.function.layers if it.path)
        files = self._contents.files(code)
        for name in files.keys() - (before.files.keys() if before is not None else files.keys()):
            if not os.path.lexists(code / name):
                del files[name]  # what an editor or a tool had there while it saved
        return Look(files, (seen.st_dev, seen.st_ino), layers)


def _between(old: Revision, new: Revision, before: Look | None, now: Look | None) -> Edit | str:
    """The edit, or why it is more than one."""
    if before is None or now is None or new.code_dir is None:
        return "the code is an archive"
    if declaration(old.function) != declaration(new.function) or before.layers != now.layers:
        return "more than code has changed"
    if before.folder != now.folder:
        return "the code folder is another one"
    names = sorted(name for name in {*before.files, *now.files} if before.files.get(name) != now.files.get(name))
    texts = {name: _text(new.code_dir / name) for name in names if name.endswith(CODE)}
    return Edit(texts, tuple(name for name in names if not name.endswith(CODE)))


def _text(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
