"""Flags of `s local`, `s invoke` and `fun local` that mean nothing here: each says what to use in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from msgspec import Struct

from emulator.model.errors import UserError
from emulator.model.function import Place

NO_DEBUGGER_NEEDED = "leave it out: `fclocal start` lets editors attach to every instance (docs/debugging.md)"


class ForeignFlag(Struct, frozen=True):
    """A flag of another tool, and what to do here."""

    names: tuple[str, ...]
    instead: str
    takes_value: bool = True


FOREIGN = (
    ForeignFlag(("-c", "--config"), "run `fclocal ide vscode --write`, or another editor's name, once"),
    ForeignFlag(("--debug-args",), NO_DEBUGGER_NEEDED),
    ForeignFlag(("--debugger-path",), NO_DEBUGGER_NEEDED),
    ForeignFlag(("--tmp-dir",), "each instance has a /tmp of its own; a nasConfig mount is a folder that stays"),
    ForeignFlag(("-m", "--mode"), "leave it out: an emulator that runs always answers SDKs, triggers and `invoke`"),
    ForeignFlag(("--server-port",), "use --port with `fclocal start`"),
    ForeignFlag(("--custom-domain",), "leave it out: `fclocal start` answers to every domain of the project file"),
    ForeignFlag(("--sdk-version",), "leave it out: all three API versions are served"),
    ForeignFlag(("--region",), "leave it out: functions run in the region of the project file"),
)


def foreign_options() -> list[click.Parameter]:
    """The flags as hidden options that refuse; their values are never seen by the command."""
    return [
        click.Option(
            list(flag.names),
            hidden=True,
            expose_value=False,
            is_flag=not flag.takes_value,
            callback=_refuse(flag),
        )
        for flag in FOREIGN
    ]


def _refuse(flag: ForeignFlag) -> Callable[[click.Context, click.Parameter, Any], None]:
    def refuse(_ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        if value is not None and value is not False:
            raise UserError("is a flag of another tool", flag.instead, Place(flag.names[-1]))

    return refuse
