"""Profiles: what FC's machines are like, as bundles of options in a dated file that users can edit."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from emulator.config.checks import nearest
from emulator.model.errors import ConfigError
from emulator.model.function import Place

BUILT_IN = Path(__file__).with_name("profiles.toml")
# Options that a profile may set.
OF_PROFILES = ("cache", "disk", "nas", "code_download", "image_pull")


class Value(Struct, frozen=True):
    """What an option is set to, and where that number comes from; without a `source` it is an estimate."""

    value: str
    source: str = ""


class Profile(Struct, frozen=True):
    """`options` by their names."""

    name: str
    about: str
    options: Mapping[str, Value]


class Profiles(Struct, frozen=True):
    """`date` is when the numbers were looked up."""

    date: str
    profiles: Mapping[str, Profile]

    def find(self, name: str, place: Place) -> Profile:
        """Raises `ConfigError` where there is none of this name."""
        found = self.profiles.get(name)
        if found is None:
            near = nearest(name, dict.fromkeys(self.profiles))
            step = f"did you mean {near}?" if near else f"use one of {', '.join(self.profiles)}"
            raise ConfigError(f"there is no profile {name!r}", step, place)
        return found


def read_profiles(file: Path | None = None) -> Profiles:
    """Those of `file`, else those that are shipped. Raises `ConfigError` where they can not be read."""
    path = file or BUILT_IN
    place = Place(str(path))
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"the profiles can not be read: {error}", "correct the file, or --profiles", place) from None
    date = str(table.pop("date", ""))
    return Profiles(date, {name: _profile(name, section, place) for name, section in table.items()})


def _profile(name: str, section: object, place: Place) -> Profile:
    if not isinstance(section, dict):
        raise ConfigError(f"the profile {name} is no table", f"write [{name}] and its options below", place)
    about = str(section.pop("about", ""))
    return Profile(name, about, {key: _value(name, key, item, place) for key, item in section.items()})


def _value(profile: str, key: str, item: object, place: Place) -> Value:
    if key not in OF_PROFILES:
        raise ConfigError(f"unknown option {key!r} of profile {profile}", f"use {', '.join(OF_PROFILES)}", place)
    if isinstance(item, str):
        return Value(item)
    if not isinstance(item, dict) or not isinstance(item.get("value"), str):
        step = f'write {key} = {{ value = "150MB/s", source = "…" }}'
        raise ConfigError(f"{key} of profile {profile} has no value", step, place)
    return Value(item["value"], str(item.get("source", "")))


def profile_values(values: Mapping[str, Any]) -> tuple[Mapping[str, str], Place]:
    """What the profile that these options name sets, as text, and where it is written; nothing where they name none."""
    name, file = values.get("profile", ""), values.get("profiles")
    if not name:
        return {}, Place("")
    profile = read_profiles(file).find(name, Place("profile"))
    return {key: value.value for key, value in profile.options.items()}, Place(f"{file or BUILT_IN} [{name}]")
