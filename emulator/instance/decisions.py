"""What came of each function's template, kept for the next emulator and for `fclocal doctor`."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import msgspec
from msgspec import Struct

from emulator.instance.preload import Preload

# In the folder of the emulator's own files.
TEMPLATES_FOLDER = "templates"


class Refusal(Struct, frozen=True):
    """Why there is no template, or none with a function's packages; `lift` is what to do about it."""

    why: str = ""
    lift: str = ""


class Decision(Struct, frozen=True):
    """`refused` says why the packages are not in the template, or, with `forked` unset, why there is none."""

    function: str
    packages: tuple[str, ...]
    modules: int
    refused: str
    preload: Preload
    forked: bool = True
    lift: str = ""


def decisions(folder: Path) -> list[Decision]:
    """What was decided for each function, by whichever emulator was the last."""
    found = (_read(file) for file in sorted(folder.glob("*.json")))
    return [decision for decision in found if decision is not None]


def recall(folder: Path, function: str) -> Decision | None:
    return _read(_file(folder, function))


def keep(folder: Path, decision: Decision) -> None:
    """Where that is not possible, nothing is kept."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        file = _file(folder, decision.function)
        fresh = file.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(decision))
        fresh.replace(file)


def _read(file: Path) -> Decision | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Decision)
    except (OSError, msgspec.DecodeError):
        return None


def _file(folder: Path, function: str) -> Path:
    return folder / f"{hashlib.sha256(function.encode()).hexdigest()[:16]}.json"
