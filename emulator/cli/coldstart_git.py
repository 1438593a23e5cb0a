"""The other side of `--compare git:REV`: the same project and function, as a revision has them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from emulator.cli.context import Workplace
from emulator.cli.project import choose_functions
from emulator.coldstart.bytecode import compiled_like
from emulator.coldstart.checkout import Checkout, checked_out
from emulator.model.errors import ConfigError, UserError
from emulator.model.function import Function, Project
from emulator.reload.syntax import interpreter_of
from emulator.runtime.interpreters import Interpreters

GIT = "git:"


@contextlib.contextmanager
def project_of(place: Workplace, project: Project, revision: str) -> Iterator[tuple[Project, tuple[str, ...]]]:
    """The project of a revision, with the one function of `project`, and what is to be said of it. Raises
    `UserError`."""
    function = project.functions[0]
    with checked_out(place.root, revision, _folders(function), place.settings.state_dir) as checkout:
        other = _read(place, checkout)
        found = [it for it in other.functions if it.name == function.name]
        if not found:
            raise UserError(f"function {function.name} is not in {GIT}{revision}", "choose a later revision")
        other = choose_functions(other, (str(function.name),))
        _compile(place, function, other.functions[0])
        yield other, (f"{GIT}{revision} is {checkout.commit[:12]}", *checkout.notes)


def _folders(function: Function) -> list[Path]:
    layers = [layer.path for layer in function.layers if layer.path is not None]
    return [path for path in (function.code, *layers) if path is not None and path.is_dir()]


def _read(place: Workplace, checkout: Checkout) -> Project:
    selection = place.selection
    moved = replace(
        selection,
        file=checkout.there(selection.file or Path.cwd()) if selection.code is None else None,
        code=checkout.there(selection.code) if selection.code is not None else None,
    )
    try:
        return replace(place, root=checkout.there(place.root), selection=moved).project()
    except ConfigError as error:
        raise UserError(f"the project at that revision can not be used: {error.message}", error.next_step) from None


def _compile(place: Workplace, function: Function, other: Function) -> None:
    """A fresh copy has no bytecode, and would be slower by what compiling takes."""
    python = interpreter_of(function, "python", place.catalog(), Interpreters())
    if python is None:
        return
    for here, there in zip(_folders(function), _folders(other), strict=False):
        compiled_like(there, here, python)
