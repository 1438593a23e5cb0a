"""Expressions over recorded values: names, attributes and items, which is all that can be asked of a dead process."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from emulator.debug.postmortem.bundle import Value


class NotRecorded(Exception):
    """The expression asks for something that is not there; says what."""


def find(expression: str, roots: Iterable[Value]) -> Value:
    """The value of `event['items'][0].name` among recorded variables. Raises `NotRecorded`."""
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
        steps = list(_steps(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NotRecorded(
            "the process is gone: only names, attributes and items can be looked up, such as event['id']"
        ) from None
    found = next((value for value in roots if value.name == steps[0]), None)
    if found is None:
        raise NotRecorded(f"no variable {steps[0]!r} was recorded in this frame")
    for step in steps[1:]:
        found = _step(found, step)
    return found


def _steps(tree: ast.expr) -> Iterator[str | int]:
    """A name, then paths behind it; an index from the end as a number."""
    match tree:
        case ast.Name(id=name):
            yield name
        case ast.Attribute(value=value, attr=name):
            yield from _steps(value)
            yield f".{name}"
        case ast.Subscript(value=value, slice=ast.Constant(value=key)):
            yield from _steps(value)
            yield f"[{key!r}]"
        case ast.Subscript(value=value, slice=ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(key)))):
            yield from _steps(value)
            yield -key
        case _:
            raise ValueError(tree)


def _step(value: Value, step: str | int) -> Value:
    if isinstance(step, int):
        index = value.count + step
        path = f"[{index}]" if value.form in ("list", "tuple") else f"[{step}]"
    else:
        path = step
    for child in value.children:
        if child.path == path:
            return child
    if value.redacted:
        raise NotRecorded("it was redacted, since its name or its form says that it is secret")
    kept = f": {len(value.children)} of {value.count} entries were" if value.count > len(value.children) else ""
    raise NotRecorded(f"{path} was not recorded{kept}")
