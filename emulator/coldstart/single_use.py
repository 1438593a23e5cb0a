"""Packages that a source file imports at its top, and that only one of its functions needs (pure)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from msgspec import Struct

_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


class SingleUse(Struct, frozen=True):
    """`function` at `line`, a method with its class, is alone in naming what `package` brought."""

    package: str
    function: str
    line: int


def single_uses(source: str) -> dict[str, SingleUse]:
    """By top-level package. What cannot be read, or uses its names in ways that cannot be seen, has none."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    packages = dict(_bound(tree))
    users: dict[str, set[tuple[str, int]]] = {}
    for name, place in _uses(tree):
        if name in packages:
            users.setdefault(packages[name], set()).add(place)
    return {
        package: SingleUse(package, *next(iter(places)))
        for package, places in users.items()
        if len(places) == 1 and ("", 0) not in places
    }


def _bound(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Names that imports bind when the file is imported, each with its top-level package."""
    for node in _at_top(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                package = alias.name.partition(".")[0]
                yield alias.asname or package, package
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, node.module.partition(".")[0]


def _at_top(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (*_FUNCTION, ast.ClassDef, ast.Lambda)):
            yield child
            yield from _at_top(child)


def _uses(tree: ast.Module) -> Iterator[tuple[str, tuple[str, int]]]:
    """Names that are read, each with the outermost function around it, or with none."""
    waiting: list[tuple[ast.AST, str, tuple[str, int]]] = [(tree, "", ("", 0))]
    while waiting:
        node, scope, place = waiting.pop()
        if isinstance(node, ast.Name):
            yield node.id, place
        inner, at = scope, place
        if isinstance(node, (*_FUNCTION, ast.ClassDef)):
            inner = f"{scope}{node.name}."
        for field, value in ast.iter_fields(node):
            # Decorators, defaults and annotations run where the function is defined, not in it.
            if isinstance(node, _FUNCTION) and field == "body" and not place[0]:
                at = (f"{scope}{node.name}", node.lineno)
            else:
                at = place
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    waiting.append((child, inner, at))
