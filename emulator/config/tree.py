"""A project file as frozen nodes that remember where each was written and what was written there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from msgspec import Struct, field

from emulator.model.function import Place

MAX_JSON_DEPTH = 64
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Scalar(Struct, frozen=True):
    """One value. `text` is what the user wrote, which matters where `value` lost it (`012`, `1.10`, `yes`)."""

    value: str | int | float | bool | None
    text: str
    place: Place


class Seq(Struct, frozen=True):
    items: tuple[Node, ...]
    place: Place


class Map(Struct, frozen=True):
    """A mapping; `keys` holds where each key stands, which is what messages show."""

    entries: Mapping[str, Node]
    place: Place
    keys: Mapping[str, Place] = field(default_factory=lambda: MappingProxyType({}))

    def get(self, key: str) -> Node | None:
        return self.entries.get(key)

    def at(self, key: str) -> Place:
        """The place of a key, or of the mapping where the key is absent."""
        return self.keys.get(key, self.place)

    def with_entry(self, key: str, node: Node, place: Place | None = None) -> Map:
        return Map({**self.entries, key: node}, self.place, {**self.keys, key: place or node.place})

    def without(self, *gone: str) -> Map:
        return Map({k: v for k, v in self.entries.items() if k not in gone}, self.place, self.keys)


Node = Scalar | Seq | Map


def empty_map(place: Place) -> Map:
    return Map({}, place)


def text_node(text: str, place: Place) -> Scalar:
    return Scalar(text, text, place)


def map_of(place: Place, **entries: Node | None) -> Map:
    """A mapping of the entries that are there; keys stand where their values do."""
    there = {key: node for key, node in entries.items() if node is not None}
    return Map(there, place, {key: node.place for key, node in there.items()})


def is_null(node: Node | None) -> bool:
    return node is None or (isinstance(node, Scalar) and node.value is None)


def merge(base: Node | None, over: Node | None) -> Node | None:
    """`over` laid on `base`: mappings deeply, everything else is replaced (platform.md §3.1, `extend`)."""
    if not isinstance(base, Map) or not isinstance(over, Map):
        return base if over is None else over
    entries: dict[str, Node] = dict(base.entries)
    for key, node in over.entries.items():
        merged = merge(entries.get(key), node)
        if merged is not None:
            entries[key] = merged
    return Map(entries, over.place, {**base.keys, **over.keys})


def drop(node: Map, dotted: str) -> Map:
    """The mapping without the key at a dotted path (`ignore` of a template)."""
    head, _, rest = dotted.partition(".")
    if not rest:
        return node.without(head)
    child = node.get(head)
    return node.with_entry(head, drop(child, rest), node.at(head)) if isinstance(child, Map) else node


def find(node: Node | None, path: tuple[str, ...]) -> Node | None:
    """The node at a path of keys and list indexes."""
    for step in path:
        if isinstance(node, Map):
            node = node.get(step)
        elif isinstance(node, Seq) and step.isdecimal() and len(step) < 6 and int(step) < len(node.items):
            node = node.items[int(step)]
        else:
            return None
    return node


def plain(node: Node) -> Json:
    """The node as JSON data."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Seq):
        return [plain(item) for item in node.items]
    return {key: plain(child) for key, child in node.entries.items()}


def as_text(node: Node) -> str:
    """A value as text: scalars as written, the rest as JSON."""
    return node.text if isinstance(node, Scalar) else json.dumps(plain(node), ensure_ascii=False)


def from_json(data: object, place: Place, depth: int = 0) -> Node:
    """JSON data as nodes, all at one place. Raises `ValueError` for what is no JSON, or nested too deep."""
    if depth > MAX_JSON_DEPTH:
        raise ValueError("nested too deep")
    if isinstance(data, dict):
        return Map({str(k): from_json(v, place, depth + 1) for k, v in data.items()}, place)
    if isinstance(data, list):
        return Seq(tuple(from_json(item, place, depth + 1) for item in data), place)
    if data is None or isinstance(data, bool | int | float | str):
        return Scalar(data, json_text(data), place)
    raise ValueError(f"not JSON: {type(data).__name__}")


def json_text(value: str | int | float | bool | None) -> str:
    """A scalar as JSON writes it, but text without quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def scalars(node: Node) -> Iterator[Scalar]:
    """Every scalar of a tree, in order."""
    if isinstance(node, Scalar):
        yield node
        return
    for child in node.items if isinstance(node, Seq) else node.entries.values():
        yield from scalars(child)
