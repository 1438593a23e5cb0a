"""The sections of single functions in `.fclocal.yaml`."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

from msgspec import Struct

from emulator.config.checks import nearest
from emulator.config.settings_file import Entry
from emulator.config.settings_values import Kind, read_value
from emulator.model.errors import ConfigError
from emulator.model.launch import WallsKind
from emulator.model.program import DapServer

Reader = Callable[[str, Entry], Any]
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
RESTART, KEEP = "restart", "keep"
EXAMPLE = "dlv exec --headless --accept-multiclient --continue --api-version=2 --listen=127.0.0.1:{port} /code/main"


class FunctionSettings(Struct, frozen=True):
    """What can be chosen about one function.

    `reload` says what a change of code does: other instances, or the same ones with the new code in them, which `keep`
    the globals of these names (all that the change does not touch, where none is named). `build` is the command that
    a change of sources runs. `debugger` listens in each instance of a custom runtime. `walls` are None where the option
    says which. `build_args` are for the Dockerfile of its image, `code_mounts` folders by what they take the place of
    in that. `source_map` says which folders it was made of, where a debugger could not know.
    """

    environment: Mapping[str, str] = NO_VARIABLES
    reload: str = RESTART
    keep: tuple[str, ...] = ()
    build: str = ""
    debugger: DapServer | None = None
    walls: WallsKind | None = None
    build_args: Mapping[str, str] = NO_VARIABLES
    code_mounts: Mapping[str, str] = NO_VARIABLES
    source_map: Mapping[str, str] = NO_VARIABLES


def read_function_settings(entry: Entry) -> Mapping[str, FunctionSettings]:
    """The sections by function name. Raises `ConfigError` with the line."""
    return MappingProxyType({name: _section(name, section) for name, section in entry.items()})


def _section(name: str, section: Entry) -> FunctionSettings:
    return FunctionSettings(**_read(section, _READERS, f"function {name!r}", "a function's section"))


def _read(section: Entry, readers: Mapping[str, Reader], of: str, what: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in section.items():
        if key not in readers:
            near = nearest(key, dict.fromkeys(readers))
            step = f"did you mean {near}?" if near else f"{what} may hold {_list_of(readers)}"
            raise ConfigError(f"unknown key {key!r} of {of}", step, value.place)
        values[_FIELDS.get(key, key)] = readers[key](key, value)
    return values


def _variables(key: str, entry: Entry) -> Mapping[str, str]:
    found: Mapping[str, str] = read_value(Kind.VARIABLES, entry.texts(), entry.place, key)
    return found


def _way(key: str, entry: Entry) -> str:
    return str(read_value(Kind.TEXT, entry.value, entry.place, key, (RESTART, KEEP)))


def _walls(key: str, entry: Entry) -> WallsKind:
    return WallsKind(read_value(Kind.TEXT, entry.value, entry.place, key, [kind.value for kind in WallsKind]))


def _names(key: str, entry: Entry) -> tuple[str, ...]:
    value = entry.value
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(it, str) and it.isidentifier() for it in names):
        _fail(f"{key} can not be {value!r}", "list names of globals: [MODEL, tokenizer]", entry)
    return tuple(map(str, names))


def _folders(key: str, entry: Entry) -> Mapping[str, str]:
    """Paths in the image with the folders that are seen there."""
    found = {}
    for target, item in entry.items():
        if not target.startswith("/") or posixpath.normpath(target) == "/" or not isinstance(item.value, str):
            _fail(f"{key} can not hold {target!r}: {item.value!r}", "write `/path/in/the/image: ./folder`", item)
        found[posixpath.normpath(target)] = str(item.value)
    return MappingProxyType(found)


def _command(key: str, entry: Entry) -> str:
    if not isinstance(entry.value, str) or not entry.value.strip():
        _fail(f"{key} can not be {entry.value!r}", "give a command line", entry)
    return str(entry.value).strip()


def _debugger(key: str, entry: Entry) -> DapServer:
    if isinstance(entry.value, int | str):
        return DapServer(port=_port(key, entry))
    if not isinstance(entry.value, dict):
        _fail(f"{key} can not be {entry.value!r}", "give a port, or a map of `command`, `port` and `attach`", entry)
    return DapServer(**_read(entry, _OF_DEBUGGER, key, key))


def _port(key: str, entry: Entry) -> int:
    return int(read_value(Kind.INTEGER, entry.value, entry.place, key, limits=(1, 65535)))


def _words(key: str, entry: Entry) -> tuple[str, ...]:
    value = entry.value
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        _fail(f"{key} can not be read: {error}", "close the quotes, or write a list of words", entry)
    if not isinstance(words, list) or not words or not all(isinstance(word, str) and word for word in words):
        _fail(f"{key} can not be {value!r}", f"give a command line, such as `{EXAMPLE}`", entry)
    return tuple(map(str, words))


def _arguments(key: str, entry: Entry) -> Mapping[str, Any]:
    if not isinstance(entry.value, dict):
        _fail(f"{key} can not be {entry.value!r}", "give a map, such as `{mode: remote}`", entry)
    return MappingProxyType(entry.value)


def _fail(message: str, step: str, entry: Entry) -> NoReturn:
    raise ConfigError(message, step, entry.place)


def _list_of(readers: Mapping[str, Reader]) -> str:
    *first, last = (f"`{key}`" for key in readers)
    return f"{', '.join(first)} and {last}"


_READERS: Mapping[str, Reader] = {
    "environment": _variables,
    "reload": _way,
    "keep": _names,
    "build": _command,
    "debugger": _debugger,
    "walls": _walls,
    "buildArgs": _variables,
    "codeMounts": _folders,
    "sourceMap": _folders,
}
# Keys that FC's own style spells differently from ours
_FIELDS = {"buildArgs": "build_args", "codeMounts": "code_mounts", "sourceMap": "source_map"}
_OF_DEBUGGER: Mapping[str, Reader] = {
    "command": _words,
    "port": _port,
    "attach": _arguments,
}
