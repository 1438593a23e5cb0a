"""One option of the emulator: a field of `Settings`, with all that flags, variables, file keys and docs need of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field
from types import MappingProxyType
from typing import Any

from emulator.config.settings_values import Kind, read_value
from emulator.model.function import Place

NOTHING: Mapping[str, str] = MappingProxyType({})
ENV_PREFIX = "FCLOCAL_"


def option(
    default: Any,
    help: str,
    *,
    kind: Kind | None = None,
    choices: Sequence[str] = (),
    at_least: float | None = None,
    at_most: float | None = None,
    short: str = "",
    unit: str = "",
) -> Any:
    """A field of `Settings` that is an option: its default, one sentence of help, and what values it takes."""
    metadata = {
        "help": help,
        "kind": kind or Kind(type(default).__name__),
        "choices": tuple(choices),
        "range": (at_least, at_most),
        "short": short,
        "unit": unit,
    }
    if default is NOTHING:
        return field(default_factory=lambda: NOTHING, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Option:
    """One option, as flags, variables, file keys and docs need it."""

    name: str
    default: Any
    help: str
    kind: Kind
    choices: tuple[str, ...]
    range: tuple[float | None, float | None]
    short: str
    unit: str

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return ENV_PREFIX + self.name.upper()

    def read(self, raw: object, place: Place) -> Any:
        """The value that `raw` (text, or as YAML gave it) stands for; `ConfigError` names `place`."""
        return read_value(self.kind, raw, place, self.name, self.choices, self.range)


def option_of(item: Field[Any]) -> Option:
    """That which a field of `Settings` is."""
    default = NOTHING if item.default is MISSING else item.default
    return Option(item.name, default, **item.metadata)
