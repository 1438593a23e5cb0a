"""Journal events as JSON, one object a line: the fields of the event and its `kind`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum

from msgspec import Struct
from msgspec.structs import asdict

from emulator.model.events import Event, kind_of


def to_line(kind: str, fields: Mapping[str, object]) -> str:
    """One line of the stream, with its newline."""
    return json.dumps({"kind": kind, **fields}, ensure_ascii=False, default=_value) + "\n"


def to_lines(events: Iterable[Event]) -> str:
    """A batch of events, to be written at once."""
    return "".join(to_line(kind_of(event), asdict(event)) for event in events)


def _value(value: object) -> object:
    if isinstance(value, Struct):
        return asdict(value)
    return value.value if isinstance(value, Enum) else str(value)
