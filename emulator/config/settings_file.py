"""`.fclocal.yaml`: its keys and values, each with the line it stands on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from emulator.model.errors import ConfigError
from emulator.model.function import Place

SETTINGS_FILE = ".fclocal.yaml"
MAX_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and where it was written."""

    node: yaml.Node
    place: Place

    @property
    def value(self) -> object:
        """The value as safe YAML gives it: text, number, switch, list, map or nothing."""
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_document(self.node)
        except yaml.YAMLError as error:
            raise ConfigError(f"can not be read: {_reason(error)}", "mend this line", self.place) from None
        finally:
            loader.dispose()

    def texts(self) -> object:
        """A map with its scalars as they were written, so that `010` and `on` stay what they are; else the value."""
        if not isinstance(self.node, yaml.MappingNode):
            return self.value
        return {name: entry.node.value if entry.is_text else entry.value for name, entry in self.items()}

    @property
    def is_text(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode) and self.node.tag != "tag:yaml.org,2002:null"

    def items(self) -> Iterator[tuple[str, Entry]]:
        """The keys of a map with their values; an error if this is none."""
        if not isinstance(self.node, yaml.MappingNode):
            raise ConfigError("a map is expected here", "write `key: value`, one a line", self.place)
        seen = set()
        for key, value in self.node.value:
            name, place = str(key.value), Place(self.place.file, key.start_mark.line + 1)
            if name in seen:
                raise ConfigError(f"{name!r} is written twice", "keep one of them", place)
            seen.add(name)
            yield name, Entry(value, place)


def read_settings_file(path: Path) -> dict[str, Entry]:
    """The top-level keys of the file; an absent or empty file has none. Raises `ConfigError`."""
    node = _compose(path)
    return dict(Entry(node, Place(path.name)).items()) if node is not None else {}


def _compose(path: Path) -> yaml.Node | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"can not be read: {error.strerror}", "mend or remove it", Place(path.name)) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"is larger than {MAX_BYTES // 1024} KB", "keep options only in it", Place(path.name))
    try:
        text = data.decode()
        _refuse_aliases(text, path.name)
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8", "save it as UTF-8", Place(path.name)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else None
        raise ConfigError(f"is not YAML: {_reason(error)}", "mend this line", Place(path.name, line)) from None
    except RecursionError:
        raise ConfigError("is nested too deeply", "keep options only in it", Place(path.name)) from None


def _refuse_aliases(text: str, name: str) -> None:
    """Options need no aliases, and merged aliases can grow without bound."""
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else None
            raise ConfigError("aliases are not read here", "write the value out", Place(name, line))


def _reason(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or error)
