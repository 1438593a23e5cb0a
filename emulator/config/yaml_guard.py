"""Loads YAML that may be hostile: bounded in size, depth and expansion, before any recursive code sees it.

Scalars are read by the YAML 1.2 core rules, which are those of the official tool's parser: `22:22`, `012`, `on`
and `2024-01-01` mean what they look like, not 1342, 10, true and a date (sandbox.md §6.3.5).
`${...}` and `{{ ... }}` are text wherever they stand, also unquoted and in flow style (platform.md §3.1.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

import yaml

from emulator.config.tree import Map, Node, Scalar, Seq
from emulator.model.errors import ConfigError
from emulator.model.function import Place

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_ALIASES = 1000
MAX_NODES = 50_000
MERGE_KEY = "<<"
CORE_TAG = "tag:yaml.org,2002:"
KEPT_TAGS = frozenset({"str", "int", "float", "bool", "null", "map", "seq"})

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INT = re.compile(r"[-+]?[0-9]+\Z")
_RADIX = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+|b[01]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_SPECIAL = {".inf": float("inf"), "-.inf": float("-inf"), "+.inf": float("inf"), ".nan": float("nan")}

# Braces, and what would end a plain scalar, are hidden from YAML inside expressions. The stand-ins are of the
# private use area, one character for one, so that columns and lines stay as they were.
_HIDDEN = "{},:#[]"
_STAND_INS = "".join(chr(0xF8C0 + i) for i in range(len(_HIDDEN)))
_HIDE = str.maketrans(_HIDDEN, _STAND_INS)
_SHOW = str.maketrans(_STAND_INS, _HIDDEN)
_EXPRESSION = re.compile(r"\$\{[^{}\n]{0,4096}\}|\{\{[^{}\n]{0,4096}\}\}")
_NESTING = 4


def load_file(path: Path, shown: str) -> Node:
    """Read a YAML file; `shown` is its name in messages. Raises `ConfigError` with the place."""
    place = Place(shown)
    if path.exists() and not path.is_file() and not path.is_dir():  # reading a fifo or a device may never end
        raise ConfigError("is no regular file", "name a YAML file", place)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise ConfigError(
            "this is a folder, not a project file", "name the file in it: -t FOLDER/s.yaml", place
        ) from None
    except OSError as error:
        raise ConfigError(f"can not be read: {error.strerror}", "check the path and its permissions", place) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"is larger than {MAX_BYTES // 1024} KB", "is it a project file?", place)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8 text", "save it as UTF-8", Place(shown, line)) from None
    return load_text(text, shown)


def load_text(text: str, shown: str) -> Node:
    """Read one YAML document. Raises `ConfigError` with `shown` and the line for everything that is wrong with it."""
    if len(text) > MAX_BYTES:
        raise ConfigError(f"is larger than {MAX_BYTES // 1024} KB", "is it a project file?", Place(shown))
    events = yaml.parse(_hide_expressions(text), Loader=LOADER)
    try:
        return _Composer(events, shown).document()
    except yaml.YAMLError as error:
        raise ConfigError(*_explain(error), place=_place_of(error, shown)) from None


def _hide_expressions(text: str) -> str:
    for _ in range(_NESTING):  # innermost first: ${json(file('${vars.x}'))}
        hidden = _EXPRESSION.sub(lambda m: m.group().translate(_HIDE), text)
        if hidden == text:
            break
        text = hidden
    return text


def _explain(error: yaml.YAMLError) -> tuple[str, str]:
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it can not be parsed")
    if "\\t" in problem or "tab" in problem:
        return "is not valid YAML: a tab is used for indentation", "indent with spaces"
    return f"is not valid YAML: {problem}", "check indentation, quotes and colons near this line"


def _place_of(error: yaml.YAMLError, shown: str) -> Place:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return Place(shown, mark.line + 1 if mark else None)


class _Built(NamedTuple):
    """A node, how many nodes it is when written out, and how deep."""

    node: Node
    size: int
    depth: int


class _Composer:
    """Builds nodes from events. Recursion is bounded by MAX_DEPTH, the written-out size by MAX_NODES."""

    def __init__(self, events: Iterator[yaml.Event], shown: str) -> None:
        self._events = events
        self._shown = shown
        self._anchors: dict[str, _Built] = {}
        self._nodes = 0
        self._aliases = 0

    def document(self) -> Node:
        next(self._events)
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            self._refuse(event, "is empty", "fill it, or name another file")
        built = self._build(next(self._events), 0)
        next(self._events)
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            self._refuse(event, "holds more than one YAML document", "keep one document (no second `---`)")
        return built.node

    def _refuse(self, event: yaml.Event, message: str, next_step: str = "simplify this part of the file") -> NoReturn:
        raise ConfigError(message, next_step, self._place(event))

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self._shown, mark.line + 1 if mark else None)

    def _build(self, event: yaml.Event, depth: int) -> _Built:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._refuse(event, f"holds more than {MAX_NODES} values")
        if depth > MAX_DEPTH:
            self._refuse(event, f"is nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        self._check_tag(event)
        if isinstance(event, yaml.ScalarEvent):
            built = _Built(self._scalar(event), 1, 0)
        elif isinstance(event, yaml.SequenceStartEvent):
            built = self._seq(event, depth)
        else:
            built = self._map(event, depth)
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            self._anchors[event.anchor] = built
        return built

    def _alias(self, event: yaml.AliasEvent, depth: int) -> _Built:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            self._refuse(event, f"holds more than {MAX_ALIASES} aliases")
        built = self._anchors.get(event.anchor or "")
        if built is None:
            self._refuse(event, f"alias `*{event.anchor}` names nothing that was finished before it")
        self._grow(event, built.size)
        if depth + built.depth > MAX_DEPTH:
            self._refuse(event, f"is nested deeper than {MAX_DEPTH} levels")
        return built

    def _grow(self, event: yaml.Event, size: int) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            self._refuse(event, f"grows to more than {MAX_NODES} values when its aliases are written out")

    def _check_tag(self, event: yaml.Event) -> None:
        tag = getattr(event, "tag", None)
        if tag and tag.startswith(CORE_TAG) and tag.removeprefix(CORE_TAG) not in KEPT_TAGS:
            self._refuse(event, f"tag `!!{tag.removeprefix(CORE_TAG)}` is not allowed", "write the plain value")

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        text = event.value.translate(_SHOW)
        plain_text = event.implicit[0] or (event.tag or "").removeprefix(CORE_TAG) in ("int", "float", "bool", "null")
        return Scalar(resolve(text) if plain_text else text, text, self._place(event))

    def _seq(self, start: yaml.Event, depth: int) -> _Built:
        items: list[Node] = []
        size, deepest = 1, 0
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            node, grown, below = self._build(event, depth + 1)
            items.append(node)
            size, deepest = size + grown, max(deepest, below)
        return _Built(Seq(tuple(items), self._place(start)), size, deepest + 1)

    def _map(self, start: yaml.Event, depth: int) -> _Built:
        entries: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        merged: list[Map] = []
        size, deepest = 1, 0
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, depth + 1)
            node, grown, below = self._build(next(self._events), depth + 1)
            size, deepest = size + grown + 1, max(deepest, below)
            if key == MERGE_KEY:
                merged += self._merge_sources(event, node)
                continue
            if key in entries:
                self._refuse(
                    event, f"key `{key}` is written twice (first in line {keys[key].line})", "keep one of them"
                )
            entries[key], keys[key] = node, self._place(event)
        for source in merged:
            for key, node in source.entries.items():
                entries.setdefault(key, node)
                keys.setdefault(key, source.at(key))
        return _Built(Map(entries, self._place(start), keys), size, deepest + 1)

    def _key(self, event: yaml.Event, depth: int) -> str:
        node = self._build(event, depth).node
        if not isinstance(node, Scalar):
            self._refuse(event, "a key must be text", "quote the key, or write the mapping on lines of its own")
        return node.text

    def _merge_sources(self, event: yaml.Event, node: Node) -> list[Map]:
        sources = node.items if isinstance(node, Seq) else (node,)
        maps = [source for source in sources if isinstance(source, Map)]
        if len(maps) != len(sources):
            self._refuse(event, "`<<` needs a mapping or a list of mappings", "write `<<: *anchor`")
        return maps


def resolve(text: str) -> str | int | float | bool | None:
    """A plain scalar by the YAML 1.2 core rules."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if len(text) > 40:
        return text
    if _INT.match(text):
        return int(text)
    if _RADIX.match(text):
        return int(text, 0)
    if _FLOAT.match(text):
        return float(text)
    return _SPECIAL.get(text.lower(), text)
