"""Which files of a code folder a Python program imports, as far as import statements say."""

from __future__ import annotations

import ast
import posixpath
import warnings
from collections.abc import Iterator
from pathlib import Path

from emulator.model.function import Function

MOST_FILES = 500
_PATHS_INSIDE = ("/code/", "./")


def entries(function: Function, root: Path) -> list[tuple[str, str]]:
    """Where the program begins: folder on its search path, and dotted module. Empty where that can not be told."""
    if not function.is_custom:
        return [(handler.rpartition("/")[0].strip("/"), _module(handler)) for handler in handlers(function)]
    found = []
    words = [*map(in_code, function.start_command)]
    for i, word in enumerate(words):
        if word.endswith(".py") and (root / word).is_file():
            folder, _, name = word.rpartition("/")
            found.append((folder, name.removesuffix(".py")))
        elif (i and words[i - 1] == "-m") or (":" in word and word.replace(":", ".").replace(".", "_").isidentifier()):
            found.append(("", word.partition(":")[0]))
    return found


def handlers(function: Function) -> list[str]:
    """The function's own, and its hooks'."""
    hooks = (function.initializer, function.pre_stop, function.pre_freeze)
    found = (function.handler, *(hook.handler for hook in hooks if hook is not None))
    return [handler for handler in found if handler]


def in_code(word: str) -> str:
    """A word of a command; a path in the code folder as relative to that."""
    for prefix in _PATHS_INSIDE:
        word = word.removeprefix(prefix)
    return word


def _module(handler: str) -> str:
    return handler.rpartition("/")[2].rpartition(".")[0]


def reached(root: Path, begin: list[tuple[str, str]]) -> set[str]:
    """The files, by their names below `root`, from the first ones on. Those that can not be read lead no further."""
    folders = [*dict.fromkeys(["", *(folder for folder, _ in begin)])]
    found: set[str] = set()
    ahead = [name for _, module in begin for name in _files(root, folders, module)]
    while ahead and len(found) < MOST_FILES:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            for module in _imported(root, name):
                ahead += _files(root, folders, module) if not module.startswith("/") else _beside(root, module[1:])
    return found


def _imported(root: Path, name: str) -> Iterator[str]:
    """Dotted modules; those that are imported relatively as a path below the root that begins with a slash."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse((root / name).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = posixpath.dirname(name)
                for _ in range(node.level - 1):
                    above = posixpath.dirname(above)
                base = "/" + posixpath.join(above, base.replace(".", "/"))
            mark = "/" if node.level else "."
            yield base
            yield from (f"{base}{mark}{alias.name}".lstrip(".") for alias in node.names)


def _files(root: Path, folders: list[str], module: str) -> Iterator[str]:
    """The module's file and those of the packages that it is in."""
    parts = module.split(".")
    for folder in folders:
        for count in range(1, len(parts) + 1):
            yield from _beside(root, posixpath.join(folder, *parts[:count]))


def _beside(root: Path, path: str) -> Iterator[str]:
    path = path.strip("/")
    for name in (f"{path}.py", f"{path}/__init__.py"):
        if path and (root / name).is_file():
            yield posixpath.normpath(name)
