"""Options that several commands share: those of `Settings`, and which project is meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from msgspec import Struct
from msgspec.structs import fields

from emulator.config.option import Option
from emulator.config.settings import OPTIONS
from emulator.config.settings_values import Kind
from emulator.model.errors import ConfigError
from emulator.model.function import Place

# What counts also where the emulator runs already.
ALWAYS = ("state_dir", "color", "log_level")


class Selection(Struct, frozen=True):
    """Which project: a file, or what to run without one."""

    file: Path | None = None
    code: Path | None = None
    handler: str = ""
    runtime: str = ""
    command: str = ""
    ca_port: int | None = None


def project_options() -> list[click.Parameter]:
    """-t, --code and its companions; `take_selection` reads them."""
    path = click.Path(path_type=Path)
    return [
        click.Option(
            ["-t", "--template", "file"],
            type=path,
            metavar="FILE",
            help="The project file; without it, s.yaml, s.yml or template.yml of this folder.",
        ),
        click.Option(
            ["--code"],
            type=path,
            metavar="DIR",
            help="Run this folder or archive as one function, without a project file.",
        ),
        click.Option(["--handler"], metavar="NAME", help="With --code: the handler, such as index.handler."),
        click.Option(["--runtime"], metavar="ID", help="With --code: the runtime, such as python3.10."),
        click.Option(["--command"], metavar="TEXT", help="With --code and a custom runtime: what starts the server."),
        click.Option(
            ["--ca-port"],
            type=click.IntRange(1, 65535),
            metavar="PORT",
            help="With --code and a custom runtime: where the server listens. [9000]",
        ),
    ]


def take_selection(values: dict[str, Any]) -> Selection:
    """Take the project options out of the values that click gave."""
    given = {field.name: values.pop(field.name, None) for field in fields(Selection)}
    return Selection(**{name: value for name, value in given.items() if value is not None})


def settings_options(*names: str) -> list[click.Parameter]:
    """Options of `Settings` by name; their values are None where they are not given, so that other sources count."""
    return [setting_option(OPTIONS[name]) for name in names]


def take_flags(values: dict[str, Any]) -> dict[str, object]:
    """Take the options of `Settings` out of the values that click gave, in the form `load_settings` reads."""
    return {name: values.pop(name) for name in OPTIONS if name in values}


def take_given(values: Mapping[str, Any]) -> list[str]:
    """Names of the settings that were given as flags."""
    return [name for name in OPTIONS if values.get(name) is not None]


def without_effect(url: str, given: Iterable[str]) -> str:
    """What to say of the flags that come too late for the emulator that runs; nothing where there are none."""
    flags = ", ".join(OPTIONS[name].flag for name in given if name not in ALWAYS)
    return f"fclocal: the emulator at {url} runs already, {flags} changes nothing for it" if flags else ""


def setting_option(option: Option) -> click.Option:
    """One option of `Settings` as a flag."""
    short = [option.short] if option.short else []
    if option.kind is Kind.SWITCH:
        flags = f"{option.flag}/--no-{option.flag.removeprefix('--')}"
        return click.Option([flags, option.name], is_flag=True, default=None, help=_help(option))
    if option.kind is Kind.VARIABLES:
        return click.Option(
            [option.flag, option.name], multiple=True, metavar="NAME=VALUE", callback=_variables, help=_help(option)
        )
    kind = click.Choice(option.choices) if option.choices else SettingType(option)
    return click.Option([*short, option.flag, option.name], type=kind, default=None, help=_help(option))


def _help(option: Option) -> str:
    if option.default in (None, "", True, False) or option.kind is Kind.VARIABLES:
        return option.help
    text = f"{option.default:g}" if isinstance(option.default, float) else option.default
    return f"{option.help} [{text}{' ' + option.unit if option.unit else ''}]"


class SettingType(click.ParamType[Any]):
    """Reads a value as every other source of settings does, so that the errors are the same."""

    def __init__(self, option: Option) -> None:
        self.option = option
        words = {Kind.INTEGER: "number", Kind.NUMBER: option.unit or "number", Kind.PATH: "dir", Kind.SPEED: "speed"}
        self.name = words.get(option.kind, "text")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        value = self.option.read(value, Place(self.option.flag))
        return Path.cwd() / value if isinstance(value, Path) else value


def _variables(_ctx: click.Context, _param: click.Parameter, pairs: Iterable[str]) -> Mapping[str, str] | None:
    place = Place(OPTIONS["environment"].flag)
    values = {}
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found:
            raise ConfigError(f"{pair!r} has no value", "write NAME=VALUE", place)
        values[name] = value
    return OPTIONS["environment"].read(values, place) if values else None
