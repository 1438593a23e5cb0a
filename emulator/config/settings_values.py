"""How a value of an option is read, whether it came as text or from YAML."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from emulator.model.errors import ConfigError
from emulator.model.function import Place

if TYPE_CHECKING:
    from emulator.model.speed import Speed


class Kind(Enum):
    """What an option takes; the values are the names of Python's types where there is one."""

    TEXT = "str"
    INTEGER = "int"
    NUMBER = "float"
    SWITCH = "bool"
    PATH = "path"
    VARIABLES = "variables"
    SPEED = "speed"


SWITCHES = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
Range = tuple[float | None, float | None]


def read_value(
    kind: Kind,
    raw: object,
    place: Place,
    name: str,
    choices: Sequence[str] = (),
    limits: Range = (None, None),
) -> Any:
    """The value of option `name`; raises `ConfigError` with `place` where it can not be read."""
    match kind:
        case Kind.SWITCH:
            return _switch(raw, place, name)
        case Kind.INTEGER | Kind.NUMBER:
            return _number(kind, raw, place, name, limits)
        case Kind.VARIABLES:
            return _variables(raw, place, name)
        case Kind.SPEED:
            return _speed(raw, place, name)
        case Kind.PATH:
            return Path(_text(raw, place, name)).expanduser()
        case Kind.TEXT:
            text = _text(raw, place, name)
            if choices and text not in choices:
                _fail(f"{name} can not be {text!r}", f"use one of {', '.join(choices)}", place)
            return text


def _switch(raw: object, place: Place, name: str) -> bool:
    if isinstance(raw, bool):
        return raw
    value = SWITCHES.get(str(raw).strip().lower())
    if value is None:
        _fail(f"{name} can not be {raw!r}", "use true or false", place)
    return value


def _number(kind: Kind, raw: object, place: Place, name: str, limits: Range) -> int | float:
    try:
        # YAML's `true` is an int to Python, and never meant as one.
        value = int(str(raw)) if kind is Kind.INTEGER else float(str(raw))
    except ValueError:
        what = "a whole number" if kind is Kind.INTEGER else "a number"
        _fail(f"{name} can not be {raw!r}", f"give {what}{_span(limits)}", place)
    low, high = limits
    if not math.isfinite(value) or (low is not None and value < low) or (high is not None and value > high):
        _fail(f"{name} can not be {raw}", f"give a number{_span(limits)}", place)
    return value


def _speed(raw: object, place: Place, name: str) -> Speed:
    from emulator.model.speed import read_speed  # few starts are told one

    try:
        return read_speed(str(raw))
    except ValueError as error:
        _fail(f"{name} can not be {raw!r}", str(error), place)


def _span(limits: Range) -> str:
    low, high = limits
    if low is None:
        return ""
    return f" from {low:g} to {high:g}" if high is not None else f" of at least {low:g}"


def _text(raw: object, place: Place, name: str) -> str:
    if isinstance(raw, bool) or not isinstance(raw, str | int) or raw == "":
        _fail(f"{name} can not be {raw!r}", "give a text; put it in quotes if YAML reads it as something else", place)
    return str(raw)


def _variables(raw: object, place: Place, name: str) -> Mapping[str, str]:
    value = _json_object(raw, place, name) if isinstance(raw, str) else raw
    if not isinstance(value, Mapping):
        _fail(f"{name} must be a map of variables", "write NAME: value, one a line", place)
    for key, item in value.items():
        if not isinstance(key, str) or not VARIABLE_NAME.match(key):
            _fail(f"{key!r} is not the name of a variable", "use letters, digits and _", place)
        if isinstance(item, Mapping | list) or item is None:
            _fail(f"variable {key} has no text as its value", "put the value in quotes", place)
    return MappingProxyType({key: _scalar(item) for key, item in value.items()})


def _scalar(item: object) -> str:
    return str(item).lower() if isinstance(item, bool) else str(item)


def _json_object(raw: str, place: Place, name: str) -> object:
    try:
        return json.loads(raw)
    except ValueError:
        _fail(f"{name} is not JSON", 'write {"NAME": "value"}', place)


def _fail(message: str, step: str, place: Place) -> NoReturn:
    raise ConfigError(message, step, place)
