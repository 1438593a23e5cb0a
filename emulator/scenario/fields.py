"""Values of a scenario file, each read with its place; raises `ConfigError` for what does not fit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn

from msgspec import Struct

from emulator.config.section import shown
from emulator.config.settings import did_you_mean
from emulator.config.tree import Map, Node, Scalar, as_text, is_null
from emulator.model.durations import read_duration
from emulator.model.errors import ConfigError
from emulator.model.function import FunctionName, Place


def fail(message: str, step: str, place: Place) -> NoReturn:
    raise ConfigError(message, step, place)


def no_unknown(node: Map, known: Collection[str], what: str) -> None:
    for key in node.entries:
        if key not in known:
            fail(f"{what} has no `{key}`", did_you_mean(key, known) or f"it has: {', '.join(known)}", node.at(key))


def text(node: Node, what: str) -> str:
    if not isinstance(node, Scalar) or node.value is None:
        fail(f"{what} must be text, not {shown(node)}", "", node.place)
    return node.text


def whole(node: Map, key: str, default: int | None, low: int, high: int) -> int:
    """A whole number of a mapping, which must be there where there is no default."""
    found = node.get(key)
    if found is None and default is not None:
        return default
    if found is None:
        fail(f"`{key}` is missing", f"give a whole number from {low} to {high}", node.place)
    return whole_value(found, key, low, high)


def whole_value(node: Node, key: str, low: int, high: int) -> int:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        fail(f"`{key}` can not be {shown(node)}", f"give a whole number from {low} to {high}", node.place)
    return value


def duration(node: Node | None, key: str, place: Place) -> float:
    if node is None or is_null(node):
        fail(f"`{key}` needs a duration", f"write `{key}: 6m`", place)
    try:
        return read_duration(text(node, f"`{key}`"))
    except ValueError as error:
        fail(str(error), "", node.place)


def flag(node: Map, key: str) -> bool:
    found = node.get(key)
    if found is None:
        return False
    value = found.value if isinstance(found, Scalar) else None
    if not isinstance(value, bool):
        fail(f"`{key}` must be true or false, not {shown(found)}", "", found.place)
    return value


class Fields(Struct, frozen=True):
    """What steps are read against: the project's functions, the folder of the file, and what holds for all steps."""

    functions: Sequence[str]
    folder: Path
    default: str = ""
    event: Node | None = None

    def named(self, name: str, place: Place) -> str:
        """A function in FC's form. A bare name will do where it is in one service only."""
        if name in self.functions:
            return name
        same = [it for it in self.functions if FunctionName.parse(it).name == name]
        if len(same) == 1:
            return same[0]
        there = f"there are: {', '.join(self.functions)}"
        if same:
            fail(f"`{name}` is in several services", f"write one of {', '.join(same)}", place)
        fail(f"there is no function `{name}`", did_you_mean(name, self.functions) or there, place)

    def function(self, node: Map, otherwise: str) -> str:
        found = node.get("function")
        return otherwise if found is None else self.named(text(found, "`function`"), found.place)

    def chosen(self, place: Place) -> str:
        """The function of a step that names none."""
        if self.default:
            return self.default
        if len(self.functions) == 1:
            return self.functions[0]
        fail("which function?", f"add `function:` with one of {', '.join(self.functions)}", place)

    def event_of(self, node: Map) -> bytes:
        found, file = node.get("event"), node.get("event_file")
        if found is not None and file is not None:
            fail("`event` and `event_file` exclude each other", "give one of them", node.at("event_file"))
        if file is not None:
            try:
                return (self.folder / text(file, "`event_file`")).expanduser().read_bytes()
            except OSError as error:
                fail(f"the event can not be read: {error.strerror}", "check the path", file.place)
        found = self.event if found is None else found
        return b"" if found is None or is_null(found) else as_text(found).encode()
