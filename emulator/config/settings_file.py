"""`.fclocal.yaml`: its keys and values, each with the line it stands on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from emulator.config.tree import Map, Node, Scalar, plain
from emulator.config.yaml_guard import MAX_BYTES, load_file
from emulator.model.errors import ConfigError
from emulator.model.function import Place

SETTINGS_FILE = ".fclocal.yaml"


class Entry(Struct, frozen=True):
    """A value and the place of its key."""

    node: Node
    place: Place

    @property
    def value(self) -> object:
        """The value as YAML gives it: text, number, switch, list, map or nothing."""
        return plain(self.node)

    def texts(self) -> object:
        """A map with its scalars as they were written, so that `010` and `1.10` stay what they are; else the value."""
        if not isinstance(self.node, Map):
            return self.value
        return {key: _written(child) for key, child in self.node.entries.items()}

    def items(self) -> Iterator[tuple[str, Entry]]:
        """The keys of a map with their values; an error if this is none."""
        if not isinstance(self.node, Map):
            raise ConfigError("a map is expected here", "write `key: value`, one a line", self.place)
        for key, child in self.node.entries.items():
            yield key, Entry(child, self.node.at(key))


def read_settings_file(path: Path) -> dict[str, Entry]:
    """The top-level keys of the file; an absent or empty file has none. Raises `ConfigError`."""
    if not path.exists() or _is_blank(path):
        return {}
    node = load_file(path, path.name)
    return dict(Entry(node, node.place).items())


def _is_blank(path: Path) -> bool:
    """True for a file of nothing but comments, which is no document to YAML."""
    try:
        with path.open("rb") as stream:
            lines = stream.read(MAX_BYTES).splitlines()
    except OSError:
        return False
    return all(not line.strip() or line.lstrip().startswith(b"#") for line in lines)


def _written(node: Node) -> object:
    return node.text if isinstance(node, Scalar) and node.value is not None else plain(node)
