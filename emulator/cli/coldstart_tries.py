"""What `fclocal coldstart --try` runs beside the function as it is: each a change that somebody could make."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from emulator.cli.coldstart_run import Side
from emulator.cli.context import Workplace
from emulator.coldstart.bytecode import all_sources, compile_sources
from emulator.coldstart.scratch import scratch_folder
from emulator.model.errors import UserError
from emulator.model.function import Function, Place
from emulator.reload.syntax import interpreter_of
from emulator.runtime.interpreters import Interpreter, Interpreters

FLAG = Place("--try")
LAZY, PYC, PROVISIONED = "lazy:", "pyc", "provisioned"
KINDS = f"{LAZY}MODULE, {PYC} or {PROVISIONED}"


def tried_sides(place: Workplace, side: Side, tries: Sequence[str], stack: contextlib.ExitStack) -> list[Side]:
    """A side for each try; what they need on the disk goes with `stack`. Raises `UserError` for what can not be
    tried."""
    return [_tried(place, side, text, stack) for text in dict.fromkeys(tries)]


def _tried(place: Workplace, side: Side, text: str, stack: contextlib.ExitStack) -> Side:
    function = side.project.functions[0]
    if text == PROVISIONED:
        return replace(side, label=text, ready=True)
    if text == PYC:
        changed = _compiled(place, function, stack)
    elif text.startswith(LAZY):
        changed = _lazy(function, text.removeprefix(LAZY))
    else:
        raise UserError(f"{text!r} can not be tried", f"there are {KINDS}", FLAG)
    return replace(side, label=text, project=replace(side.project, functions=(changed,)))


def _lazy(function: Function, name: str) -> Function:
    if not all(part.isidentifier() for part in name.split(".")):
        raise UserError(f"{name!r} is no module", "write such as lazy:pandas", FLAG)
    if not function.runtime.startswith("python3"):
        raise UserError(
            f"modules of runtime {function.runtime} can not be loaded later by themselves",
            "move the import into the function that needs it, and compare with git:HEAD",
            FLAG,
        )
    return replace(function, lazy=(name,))


def _compiled(place: Workplace, function: Function, stack: contextlib.ExitStack) -> Function:
    """The function with a copy of its code, in which every Python source has bytecode."""
    python = _python(place, function)
    code = function.code
    if code is None or not code.is_dir():
        raise UserError(f"the code of {function.name} is no folder", "unpack it, and name that folder", FLAG)
    folder = stack.enter_context(scratch_folder(place.settings.state_dir)) / "code"
    shutil.copytree(code, folder, symlinks=True, ignore=lambda at, names: _left_out(Path(at), names, place))
    compile_sources(all_sources(folder), python)
    return replace(function, code=folder)


def _python(place: Workplace, function: Function) -> Interpreter:
    found = interpreter_of(function, "python", place.catalog(), Interpreters())
    if found is None:
        raise UserError(f"runtime {function.runtime} has no bytecode of Python", f"there are {KINDS}", FLAG)
    return found


def _left_out(folder: Path, names: Sequence[str], place: Workplace) -> list[str]:
    """Our own files may lie in the code folder, and the copy among them."""
    state = place.settings.state_dir.absolute()
    return [name for name in names if (folder / name).absolute() == state or name == ".git"]
