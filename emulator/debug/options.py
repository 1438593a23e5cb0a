"""What can be chosen about debugging, and what the router may ask of the floors above."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct


def nothing() -> None:
    """For an emulator that can not restart its functions."""


class DebugOptions(Struct, frozen=True):
    """`always`: attach every instance at its birth, editor or not. `stops`: show one stop at a time, or all.
    `restart` gives every function new instances."""

    always: bool = False
    stops: Literal["one", "all"] = "one"
    restart: Callable[[], None] = nothing
