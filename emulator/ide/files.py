"""Reads and writes the files of an editor: in one step, through links, and never over what changed meanwhile."""

from __future__ import annotations

import contextlib
import difflib
import os
import secrets
from pathlib import Path

from msgspec import Struct

from emulator.config.paths import MAX_TEXT_BYTES
from emulator.ide.problems import Unreadable, at
from emulator.ide.setup import FileEdit
from emulator.model.errors import UserError
from emulator.model.function import Place


class Change(Struct, frozen=True):
    """A file as it is, None where there is none, and as it should be."""

    path: Path
    before: bytes | None
    after: bytes

    @property
    def is_needed(self) -> bool:
        return self.before != self.after

    def diff(self, name: str) -> list[str]:
        """Lines of a unified diff, without their line breaks."""
        old, new = ((data or b"").decode("utf-8").splitlines() for data in (self.before, self.after))
        return list(difflib.unified_diff(old, new, name if self.before is not None else "/dev/null", name, lineterm=""))


def change(workspace: Path, edit: FileEdit) -> Change:
    """What the edit makes of the file. Raises `UserError` where it can not be read, or is broken."""
    path = workspace / edit.path
    before = _read(path)
    try:
        text = _decoded(before or b"")
        after = edit.edit(text)
    except Unreadable as error:
        raise UserError(
            f"{error.message}; nothing was changed",
            "mend it, and run this again",
            Place(f"{path}:{error.line}:{error.column}"),
        ) from None
    return Change(path, before, after.encode("utf-8", "surrogatepass"))


def _read(path: Path) -> bytes | None:
    try:
        if path.is_dir():
            raise _unusable(path, "is a folder")
        with path.open("rb") as stream:
            data = stream.read(MAX_TEXT_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, f"can not be read: {error.strerror}") from error
    if len(data) > MAX_TEXT_BYTES:
        raise _unusable(path, f"is larger than {MAX_TEXT_BYTES // 1024} KB")
    return data


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        text = data[: error.start].decode("utf-8")
        raise at(text, len(text), "is not UTF-8") from None


def write(wanted: Change) -> None:
    """Write the file, or the one that a link leads to, in one step and with its mode. Raises `UserError`."""
    target = Path(os.path.realpath(wanted.path))
    if _read(target) != wanted.before:
        raise _unusable(wanted.path, "was changed meanwhile", "run the command again")
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if wanted.before is not None and not os.access(target, os.W_OK):
            raise _unusable(wanted.path, "is read-only")
        _write_draft(draft, target, wanted.after)
        draft.replace(target)
    except OSError as error:
        raise _unusable(wanted.path, f"can not be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _write_draft(draft: Path, target: Path, data: bytes) -> None:
    with draft.open("xb") as stream:
        with contextlib.suppress(FileNotFoundError):
            old = target.stat()
            os.fchmod(stream.fileno(), old.st_mode & 0o7777)
            with contextlib.suppress(OSError):  # only root may give a file away
                os.fchown(stream.fileno(), old.st_uid, old.st_gid)
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _unusable(path: Path, what: str, step: str = "mend that, and run this again") -> UserError:
    return UserError(what, step, Place(str(path)))
