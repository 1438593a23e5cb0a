"""Bytecode beside sources, made by the function's own interpreter, so that two folders have the same of it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from emulator.model.errors import UserError
from emulator.runtime.interpreters import Interpreter

_SECONDS = 600.0
# Runs on Python 2.7 and later. What can not be compiled is left for the import that finds it out.
_COMPILE = """
import py_compile, sys
for path in sys.stdin.read().split("\\0"):
    try:
        path and py_compile.compile(path, doraise=True)
    except (py_compile.PyCompileError, EnvironmentError):
        pass
"""


def compiled_like(folder: Path, model: Path, interpreter: Interpreter) -> int:
    """Compile those sources of `folder` that have bytecode in `model`; returns how many."""
    tag = "cpython-" + "".join(re.findall(r"\d+", interpreter.version)[:2])
    sources = [folder / path for path in _with_bytecode(model, tag) if (folder / path).is_file()]
    compile_sources(sources, interpreter)
    return len(sources)


def all_sources(folder: Path) -> list[Path]:
    """Every Python file below, but for those that no program imports from there."""
    found = []
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "node_modules"]
        found += [Path(path, name) for name in names if name.endswith(".py")]
    return found


def compile_sources(sources: Sequence[Path], interpreter: Interpreter) -> None:
    """Raises `UserError` where the interpreter can not be run."""
    if not sources:
        return
    text = "\0".join(map(str, sources)).encode("utf-8", "surrogateescape")
    argv = [str(interpreter.path), "-E", "-s", "-S", "-c", _COMPILE]
    try:
        subprocess.run(argv, env={}, input=text, capture_output=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"{interpreter.path} did not compile the code: {error}", "run it by hand") from None


def _with_bytecode(folder: Path, tag: str) -> Iterator[Path]:
    """Sources, as paths below `folder`."""
    for cache in folder.rglob("__pycache__"):
        for file in cache.glob(f"*.{tag}.pyc"):
            yield cache.parent.relative_to(folder) / f"{file.name.removesuffix(f'.{tag}.pyc')}.py"
