"""A TOML table that is read key by key, and says where it is wrong: file, line, key and the nearest right one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from emulator.model.errors import ConfigError
from emulator.model.function import Place
from emulator.model.spelling import similar

T = TypeVar("T")
FIELD = re.compile(r"\{([a-z_]+)\}")
MAX_BYTES = 1024 * 1024


def fill(template: str, fields: Mapping[str, str]) -> str:
    """Replace `{name}` by its field; no other syntax, so a brace in a value stays one."""
    return FIELD.sub(lambda found: fields.get(found[1], found[0]), template)


def read_toml(file: Path) -> Table:
    """The whole file as a table. Raises `ConfigError` for what is no TOML, no UTF-8, too large or unreadable."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError("the file is larger than 1 MB", place=Place(str(file)))
        text = file.read_text("utf-8")
        return Table(tomllib.loads(text), str(file), text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise ConfigError(f"not TOML: {error}", place=Place(str(file), int(line[1]) if line else None)) from error
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8 text", place=Place(str(file))) from error
    except OSError as error:
        raise ConfigError(f"can not be read: {error.strerror}", place=Place(str(file))) from error


class Table:
    """Keys are taken one by one; `close()` complains of those that nobody took."""

    def __init__(self, raw: Mapping[str, Any], file: str, text: str, path: str = "") -> None:
        self._raw = raw
        self._file = file
        self._text = text
        self._path = path
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._raw

    @property
    def names(self) -> Sequence[str]:
        """Every key that was written."""
        return tuple(self._raw)

    def error(self, message: str, key: str = "") -> ConfigError:
        """An error at the line that names `key`."""
        return ConfigError(message, place=Place(self._file, self._line(key)))

    def text(self, key: str, default: str | None = None) -> str:
        value = self._take(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, "a text")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def choice(self, key: str, allowed: Sequence[str]) -> str:
        value = self.text(key)
        if value not in allowed:
            raise self._wrong(key, " or ".join(f'"{word}"' for word in allowed))
        return value

    def pattern(self, key: str) -> re.Pattern[str]:
        """A regular expression, `^` and `$` of which are at the ends of lines."""
        try:
            return re.compile(self.text(key), re.MULTILINE)
        except re.error:
            raise self._wrong(key, "a regular expression") from None

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._take(key, None)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise self._wrong(key, "a list of texts with at least one item")
        return tuple(value)

    def template(self, key: str, fields: Sequence[str]) -> str:
        """A text in which only these `{fields}` may stand."""
        return self._checked(key, self.text(key), fields)

    def templates(self, key: str, fields: Sequence[str]) -> tuple[str, ...]:
        return tuple(self._checked(key, item, fields) for item in self.texts(key))

    def table(self, key: str, optional: bool = False) -> Table:
        value = self._take(key, {} if optional else None)
        if not isinstance(value, dict):
            raise self._wrong(key, "a table")
        return self._below(key, value)

    def tables(self, key: str) -> Iterator[Table]:
        """An array of tables, such as `[[tools]]`; none where it is absent."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self._wrong(key, f"written as [[{key}]] tables")
        for item in value:
            yield self._below(key, item)

    def all_texts(self) -> dict[str, str]:
        """The whole table, all of whose values must be texts."""
        return {key: self.text(key) for key in self._raw}

    def all_numbers(self) -> dict[str, int]:
        for key, value in self._raw.items():
            if type(value) is not int:
                raise self._wrong(key, "a whole number")
        return dict(self._raw)

    def closed(self, value: T) -> T:
        """`value`, if nothing in this table is left unread."""
        self.close()
        return value

    def close(self) -> None:
        for key in self._raw:
            if key not in self._known:
                near = similar(key, self._known)
                guess = f", did you mean '{near[0]}'?" if near else f"; known are {', '.join(self._known)}"
                raise self.error(f"unknown key '{self._name(key)}'{guess}", key)

    def _take(self, key: str, default: object) -> object:
        self._known.append(key)
        value = self._raw.get(key, default)
        if value is None:
            raise self.error(f"'{self._name(key)}' is missing", self._path.rpartition(".")[2])
        return value

    def _below(self, key: str, value: Mapping[str, Any]) -> Table:
        return Table(value, self._file, self._text, self._name(key))

    def _name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _wrong(self, key: str, wanted: str) -> ConfigError:
        return self.error(f"'{self._name(key)}' must be {wanted}", key)

    def _checked(self, key: str, value: str, fields: Sequence[str]) -> str:
        for name in FIELD.findall(value):
            if name not in fields:
                known = ", ".join(f"{{{field}}}" for field in fields)
                raise self.error(f"'{self._name(key)}' has {{{name}}}; known are {known}", key)
        return value

    def _line(self, key: str) -> int | None:
        """TOML readers keep no lines, so the first line that sets or opens `key` is taken."""
        if not key:
            return None
        name = re.escape(key)
        written = rf"""(?:"{name}"|'{name}'|{name})"""
        pattern = re.compile(rf"^[ \t]*(?:{written}\s*=|\[+(?:[^\]]*\.)?\s*{written}\s*\]+)", re.MULTILINE)
        found = pattern.search(self._text)
        return self._text.count("\n", 0, found.start()) + 1 if found else None
