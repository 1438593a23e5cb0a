"""Files that the terminal debugger sets breakpoints in: found from short names, and handlers found in them."""

from __future__ import annotations

import ast
import os
from collections.abc import Sequence
from pathlib import Path

from emulator.config.paths import read_text
from emulator.model.errors import UserError
from emulator.model.function import Function


class Sources:
    """Looks for files in the working directory first, then in the project, then in each function's code."""

    def __init__(self, here: Path, root: Path | None, functions: Sequence[Function]) -> None:
        code = [function.code for function in functions if function.code is not None and function.code.is_dir()]
        self._folders = [here, *([root] if root else []), *code]

    def find(self, name: str) -> str:
        """The real path of a file. Raises `UserError` where there is none, or more than one."""
        path = Path(name).expanduser()
        places = [path] if path.is_absolute() else [folder / path for folder in self._folders]
        found = list(dict.fromkeys(os.path.realpath(place) for place in places if place.is_file()))
        if not found:
            raise UserError(
                f"there is no file {name}", "name it from here, from the project, or from a function's code"
            )
        if len(found) > 1 and not (self._folders[0] / path).is_file():
            raise UserError(f"{name} is in several places: {', '.join(found)}", "name one of them")
        return found[0]

    def complete(self, begun: str) -> list[str]:
        """Names of files and folders that begin so."""
        folder, _, name = begun.rpartition("/")
        found = set[str]()
        for place in [Path(folder or "/")] if begun.startswith("/") else [f / folder for f in self._folders]:
            for entry in sorted(place.iterdir()) if place.is_dir() else ():
                if entry.name.startswith(name) and not entry.name.startswith("."):
                    kind = "/" if entry.is_dir() else ""
                    found.add(f"{folder}/{entry.name}{kind}" if folder else f"{entry.name}{kind}")
        return sorted(found)


def lines_of(path: str) -> list[str]:
    """The lines of a file; none where it can not be read."""
    try:
        return read_text(Path(path)).splitlines()
    except (OSError, ValueError):
        return []


def entry_of(function: Function) -> tuple[str, int]:
    """File and first line of a Python handler's body. Raises `UserError` where it can not be told."""
    module, _, name = function.handler.rpartition(".")
    path = (function.code or Path()) / f"{module.replace('.', '/')}.py"
    if function.code is None or not function.runtime.startswith("python") or not path.is_file():
        raise UserError(f"fclocal can not tell where {function.name} begins", "set a breakpoint by: b FILE:LINE")
    try:
        tree = ast.parse(read_text(path))
    except (SyntaxError, ValueError, OSError) as error:
        raise UserError(f"{path} can not be read: {error}", "mend it") from None
    found = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    handler = next((node for node in found if node.name == name), None)
    if handler is None:
        raise UserError(f"there is no `def {name}` in {path}", "set a breakpoint by: b FILE:LINE")
    return os.path.realpath(path), _first_line(handler)


def _first_line(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Of what runs: a text that documents it does not."""
    first = function.body[0]
    is_doc = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return (function.body[1] if is_doc and len(function.body) > 1 else first).lineno
