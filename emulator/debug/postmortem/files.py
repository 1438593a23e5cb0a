"""`.fclocal/postmortems`: one file a failure, for its owner only; the oldest make room for the newest."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path

import msgspec

from emulator.debug.postmortem.bundle import FORMAT, Dump, PostMortem, all_frames
from emulator.model.errors import UserError
from emulator.model.function import Place

FOLDER = "postmortems"
MOST_BYTES = 4 * 1024 * 1024
_LONGEST_NAME = 100
_UNSAFE = re.compile(r"[^0-9A-Za-z._-]+")


class PostMortems:
    """The post-mortems of one state folder."""

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / FOLDER

    def keep(self, bundle: PostMortem, most: int) -> Path:
        """Write it in one step, and remove the oldest beyond `most`. Raises `OSError`."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / f"{file_name(bundle.id)}.json"
        draft = self.folder / f".{path.name}.{secrets.token_hex(4)}"
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(encoded(bundle))
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        for old in self._paths()[most:]:
            with contextlib.suppress(OSError):
                old.unlink()
        return path

    def all(self) -> list[PostMortem]:
        """The newest first; a file that is none is left out."""
        found = []
        for path in self._paths():
            with contextlib.suppress(UserError, OSError):
                found.append(_read(path))
        return found

    def get(self, wanted: str) -> PostMortem:
        """By request id, by its beginning where only one has it, or `last`. Raises `UserError`."""
        paths = self._paths()
        if not paths:
            raise UserError("no invocation has failed here yet", "failures are kept while `fclocal start` runs")
        if wanted == "last":
            return _read(paths[0])
        name = file_name(wanted)
        exact = [path for path in paths if path.stem == name]
        found = exact or [path for path in paths if path.stem.startswith(name)]
        if len(found) == 1:
            return _read(found[0])
        what = "several post-mortems begin with" if found else "there is no post-mortem of request"
        raise UserError(f"{what} {wanted!r}", "fclocal postmortem lists them")

    def _paths(self) -> list[Path]:
        """Every file, the newest first."""
        found = []
        for path in self.folder.glob("*.json"):
            with contextlib.suppress(OSError):  # another process removes them as well
                found.append((path.stat().st_mtime_ns, path))
        return [path for _, path in sorted(found, reverse=True)]


def file_name(request_id: str) -> str:
    """A caller may choose the request id."""
    return _UNSAFE.sub("_", request_id)[:_LONGEST_NAME].strip(".") or "_"


def encoded(bundle: PostMortem) -> bytes:
    """The file's content; what is too large loses source first, then the variables, then all of the dump."""
    data = msgspec.json.encode(bundle)
    for shrink in (_drop_sources, _drop_variables, _drop_dump):
        if len(data) <= MOST_BYTES:
            break
        bundle.remarks.append(shrink(bundle))
        data = msgspec.json.encode(bundle)
    return data + b"\n"


def _drop_sources(bundle: PostMortem) -> str:
    bundle.dump.sources = {}
    return "The source was too large to be kept."


def _drop_variables(bundle: PostMortem) -> str:
    for frame in all_frames(bundle.dump):
        frame.locals, frame.globals, frame.has_locals = [], [], False
    return "The variables were too large to be kept."


def _drop_dump(bundle: PostMortem) -> str:
    bundle.dump = Dump()
    return "The stack was too large to be kept."


def _read(path: Path) -> PostMortem:
    try:
        bundle = msgspec.json.decode(path.read_bytes(), type=PostMortem)
    except (OSError, msgspec.MsgspecError, RecursionError) as error:
        raise UserError(f"this is no post-mortem: {error}", "remove it", Place(str(path))) from None
    if bundle.format > FORMAT:
        raise UserError("this post-mortem was made by a newer fclocal", "use that one to look at it", Place(str(path)))
    return bundle
