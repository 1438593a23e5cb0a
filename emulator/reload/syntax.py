"""Refuses code that can not run, where that is sure: the function's own interpreter says so, and would come to it."""

from __future__ import annotations

import ast
import json
import subprocess
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from emulator.model.function import Function
from emulator.reload.broken import Broken
from emulator.reload.imports import entries, reached
from emulator.reload.javascript import SUFFIXES, broken_scripts
from emulator.runtime.interpreters import Interpreter, Interpreters, parse_version
from emulator.runtime.spec import Catalog

ASK_SECONDS = 10.0
# Runs on Python 2.7 and later.
ASK = """
import sys
for path in sys.argv[1:]:
    try:
        with open(path, "rb") as stream:
            compile(stream.read(), path, "exec", 0, 1)
    except SyntaxError as error:
        print(repr((path, error.lineno or 0, type(error).__name__ + ": " + str(error.msg), error.text or "")))
    except (TypeError, ValueError) as error:
        print(repr((path, 0, str(error), "")))
    except IOError:
        pass
"""


def interpreter_of(
    function: Function, command: str, catalog: Catalog, interpreters: Interpreters
) -> Interpreter | None:
    """That which runs a function in a language, or is first in FC's image of its custom runtime."""
    spec = catalog.find(function.runtime)
    wanted = next((tool.version for tool in spec.tools if tool.command == command), None)
    if spec.interpreter is not None:
        wanted = spec.version if spec.interpreter.command == command else None
    return interpreters.seek(command, wanted) if wanted is not None else None


def broken(
    function: Function, root: Path, names: Iterable[str], interpreter: Callable[[str], Interpreter | None]
) -> Broken | None:
    """The first of these files, which have changed, that is broken, and that the function imports. `interpreter` is
    the function's own for `python` or `node`. A file that nothing imports keeps nobody."""
    names = sorted(names)
    if function.runtime.startswith("nodejs") and "package.json" in names:
        wrong = _package_json(root)
        if wrong is not None:
            return wrong
    sources = [name for name in names if name.endswith(".py")]
    wrong = None
    if sources and (python := interpreter("python")) is not None:
        wrong = _broken_python(function, root, sources, python)
    scripts = [name for name in names if name.endswith(SUFFIXES) and "node_modules/" not in name]
    if wrong is None and scripts and (node := interpreter("node")) is not None:
        wrong = broken_scripts(function, root, scripts, node)
    return wrong


def _broken_python(function: Function, root: Path, names: list[str], python: Interpreter) -> Broken | None:
    """Our own parser is asked first, since it is at hand. It knows other syntax than the function's interpreter, so
    where it complains that one decides, in a process of its own."""
    doubtful = [name for name in names if _doubtful(root / name, parse_version(python.version))]
    found = list(_asked(python, root, doubtful)) if doubtful else []
    if not found:
        return None
    imported = reached(root, entries(function, root))
    return next((it for it in found if it.name in imported), None)


def _doubtful(path: Path, version: tuple[int, ...]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spoken = (3, version[1]) if version[0] == 3 and len(version) > 1 else None
            compile(ast.parse(path.read_bytes(), feature_version=spoken), str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return True
    except (OSError, RecursionError, MemoryError):
        return False
    return version[0] != 3


def _asked(python: Interpreter, root: Path, names: list[str]) -> Iterator[Broken]:
    """What the interpreter itself says. It compiles, and runs nothing of the files."""
    paths = {str(root / name): name for name in names}
    try:
        argv = [str(python.path), "-E", "-s", "-S", "-c", ASK, *paths]
        done = subprocess.run(argv, env={}, capture_output=True, timeout=ASK_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        path, number, message, source = ast.literal_eval(line)
        yield Broken(paths[path], number, message, str(source).strip("\r\n"))


def _package_json(root: Path) -> Broken | None:
    """Node.js starts nothing beside a package.json that it can not read (ERR_INVALID_PACKAGE_CONFIG)."""
    try:
        json.loads((root / "package.json").read_text("utf-8"))
    except json.JSONDecodeError as error:
        lines = error.doc.splitlines()
        source = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
        return Broken("package.json", error.lineno, f"JSON: {error.msg}", source)
    except (OSError, ValueError):
        return None
    return None
