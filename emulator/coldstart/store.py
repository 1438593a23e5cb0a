"""Studies that are kept, a file each: `.fclocal/coldstart/NAME.json`."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import msgspec

from emulator.coldstart.study import FORMAT, Study
from emulator.model.errors import UserError
from emulator.model.function import Place

FOLDER = "coldstart"
# The study that was measured last, whoever measured it.
LAST = "last"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def study_file(state_dir: Path, name: str) -> Path:
    """Raises `UserError` for a name that is none of a file."""
    if not NAME.fullmatch(name):
        raise UserError(f"{name!r} can not be the name of a study", "use letters, digits, '.', '_' and '-'")
    return state_dir / FOLDER / f"{name}.json"


def kept(state_dir: Path) -> list[str]:
    """The names of all, in order."""
    return sorted(path.stem for path in (state_dir / FOLDER).glob("*.json") if NAME.fullmatch(path.stem))


def save(state_dir: Path, name: str, study: Study) -> Path:
    """Keep a study, in one step, in the place of one with the same name. Raises `UserError`."""
    path = study_file(state_dir, name)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(study), indent=1) + b"\n")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        step = "make room, or choose another folder by --state-dir"
        raise UserError(f"the study can not be kept: {error.strerror}", step, Place(str(path))) from None
    return path


def load(state_dir: Path, name: str) -> Study:
    """A study that was kept. Raises `UserError` where there is none, or where it can not be read."""
    path = study_file(state_dir, name)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        there = ", ".join(kept(state_dir))
        step = f"there are: {there}" if there else f"keep one first: fclocal coldstart FUNCTION --save {name}"
        raise UserError(f"there is no study {name!r}", step, Place(str(path))) from None
    except OSError as error:
        raise UserError(f"the study can not be read: {error.strerror}", "check the file", Place(str(path))) from None
    return _decoded(data, path)


def _decoded(data: bytes, path: Path) -> Study:
    try:
        study = msgspec.json.decode(data, type=Study)
    except msgspec.MsgspecError as error:
        raise UserError(f"this is no study: {error}", "measure again and keep it by --save", Place(str(path))) from None
    if study.format != FORMAT:
        raise UserError(
            f"this study was kept by fclocal {study.version} in another form",
            "measure again and keep it by --save",
            Place(str(path)),
        )
    return study
