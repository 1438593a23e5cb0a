"""Reads typed values out of a mapping; what does not fit becomes a `Problem` with its line, never an exception."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from emulator.config.tree import Json, Map, Node, Scalar, Seq, empty_map, from_json, is_null, plain
from emulator.model.function import Place, Problem

MAX_SHOWN = 80


class Report:
    """Collects problems, each once."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}
        self._reasons: dict[Problem, None] = {}
        self._sources: dict[Path, None] = {}

    def warn(self, message: str, place: Place | None) -> None:
        self._problems.setdefault(Problem(message, place))

    def drop(self, message: str, place: Place | None) -> None:
        """A problem for which something that was declared can not be run at all."""
        self._reasons.setdefault(Problem(message, place))
        self.warn(message, place)

    def depends(self, *paths: Path) -> None:
        """What was read counts on these: files, which may not be there, and links that were followed."""
        self._sources.update(dict.fromkeys(paths))

    @property
    def sources(self) -> tuple[Path, ...]:
        return tuple(self._sources)

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._problems)

    @property
    def reasons(self) -> tuple[Problem, ...]:
        """Why what was declared is not all there."""
        return tuple(self._reasons)


def shown(node: Node) -> str:
    """A value as messages show it: short, on one line."""
    if isinstance(node, Map):
        return "a mapping"
    if isinstance(node, Seq):
        return "a list"
    text = " ".join(node.text.split())
    return f"`{text[:MAX_SHOWN]}…`" if len(text) > MAX_SHOWN else f"`{text}`"


class Section(Struct, frozen=True):
    """A mapping and where its problems go. `path` is its dotted name in messages."""

    map: Map
    report: Report
    path: str = ""

    def has(self, key: str) -> bool:
        return not is_null(self.map.get(key))

    def at(self, key: str) -> Place:
        return self.map.at(key)

    def warn(self, key: str, message: str) -> None:
        self.report.warn(message, self.at(key))

    def name(self, key: str) -> str:
        return f"`{self.path}.{key}`" if self.path else f"`{key}`"

    def text(self, key: str, default: str = "") -> str:
        """Text as the user wrote it; numbers and booleans are taken as they stand in the file."""
        node = self.map.get(key)
        if node is None or is_null(node):
            return default
        if isinstance(node, Scalar):
            return node.text
        self.warn(key, f"{self.name(key)} must be text, not {shown(node)}; it is ignored")
        return default

    def number(self, key: str) -> float | None:
        """A number, also where it is written as text; None where it is absent or no number."""
        node = self.map.get(key)
        if node is None or is_null(node) or (isinstance(node, Scalar) and node.text.strip() == ""):
            return None
        value = as_number(node)
        if value is None:
            self.warn(key, f"{self.name(key)} must be a number, not {shown(node)}; it is ignored")
        return value

    def whole(self, key: str) -> int | None:
        """A whole number; a fraction is cut off, and told."""
        value = self.number(key)
        if value is None:
            return None
        if value != int(value):
            self.warn(key, f"{self.name(key)} must be a whole number; {int(value)} is used")
        return int(value)

    def flag(self, key: str, default: bool = False) -> bool:
        node = self.map.get(key)
        if node is None or is_null(node):
            return default
        word = node.text.strip().lower() if isinstance(node, Scalar) else None
        if word in ("true", "false", ""):
            return default if word == "" else word == "true"
        self.warn(key, f"{self.name(key)} must be true or false, not {shown(node)}; it is ignored")
        return default

    def section(self, key: str) -> Section:
        """A mapping below, or an empty one. A JSON object written as text is read."""
        node = self.map.get(key)
        path = f"{self.path}.{key}" if self.path else key
        if isinstance(node, Scalar) and node.text.lstrip().startswith("{"):
            node = self._parsed(key, node)
        if isinstance(node, Map):
            return Section(node, self.report, path)
        if node is not None and not is_null(node) and not (isinstance(node, Scalar) and node.text == ""):
            self.warn(key, f"{self.name(key)} must be a mapping, not {shown(node)}; it is ignored")
        return Section(empty_map(self.at(key)), self.report, path)

    def sections(self, key: str) -> Iterator[Section]:
        """The mappings of a list; one mapping alone counts as a list of one."""
        node = self.map.get(key)
        if node is None or is_null(node):
            return
        if not isinstance(node, Map | Seq):
            self.warn(key, f"{self.name(key)} must be a list, not {shown(node)}; it is ignored")
            return
        for number, item in enumerate(node.items if isinstance(node, Seq) else (node,)):
            if isinstance(item, Map):
                yield Section(item, self.report, f"{self.path}.{key}[{number}]" if self.path else f"{key}[{number}]")
            else:
                self.report.warn(f"{self.name(key)} must hold mappings, not {shown(item)}; it is ignored", item.place)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; a single text counts as a list of one."""
        node = self.map.get(key)
        if node is None or is_null(node):
            return ()
        if isinstance(node, Map):
            self.warn(key, f"{self.name(key)} must be a list, not {shown(node)}; it is ignored")
            return ()
        items = node.items if isinstance(node, Seq) else (node,)
        return tuple(item.text for item in items if isinstance(item, Scalar) and item.value is not None)

    def words(self, key: str) -> tuple[str, ...]:
        """An argument list: a list, a JSON list written as text (FC 2), or a command line."""
        node = self.map.get(key)
        if not isinstance(node, Scalar) or node.value is None:
            return self.texts(key)
        if node.text.lstrip().startswith("["):
            parsed = self._parsed(key, node)
            if isinstance(parsed, Seq):
                return tuple(item.text for item in parsed.items if isinstance(item, Scalar))
        try:
            words = tuple(shlex.split(node.text))
        except ValueError:
            self.warn(key, f"{self.name(key)} has a quote that is not closed; it is taken as one word")
            return (node.text,)
        if len(words) > 1:
            self.warn(key, f"{self.name(key)} must be a list; it is read as {json.dumps(words, ensure_ascii=False)}")
        return words

    def json(self, key: str) -> Json:
        node = self.map.get(key)
        return None if node is None else plain(node)

    def _parsed(self, key: str, node: Scalar) -> Node:
        parsed = parse_json(node.text, node.place)
        if parsed is None:
            self.warn(key, f"{self.name(key)} looks like JSON but can not be read as JSON")
            return node
        return parsed


def parse_json(text: str, place: Place) -> Node | None:
    """JSON text as nodes, or None."""
    try:
        return from_json(json.loads(text), place)
    except (ValueError, RecursionError):
        return None


def as_number(node: Node) -> float | None:
    """The number that a scalar is or spells; None for everything else, infinity included."""
    if not isinstance(node, Scalar) or isinstance(node.value, bool):
        return None
    if isinstance(node.value, int | float):
        value = float(node.value)
    else:
        try:
            value = float(node.text)
        except ValueError:
            return None
    return value if abs(value) < 1e15 else None
