"""Kinds of fact of the journal about what goes on inside an instance; see `events.py`, which has all of them."""

from __future__ import annotations

from msgspec import Struct

from emulator.model.coldstart import FileRead


class FilesRead(Struct, frozen=True, gc=False):
    """Which files an instance that is measured has read until its first answer, or its end if that came before: see
    `FileRead`, whose `at_ms` is on the clock of `at` here, and 0 for what is only mapped by the dynamic linker.
    `measuring_ms` is what noting it took of the instance's time, `lost` how many files had no room in the table. No
    `reads` at all: nobody could look, which a notice has said."""

    at: float
    instance_id: str
    function: str
    reads: tuple[FileRead, ...]
    measuring_ms: float
    lost: int = 0


class FreezeReport(Struct, frozen=True, gc=False):
    """What was running in an instance when it was frozen, and stands still until it is thawed, as in Function Compute:
    each a text. Told when it is not what it was at the freeze before; what the emulator has there is left out."""

    at: float
    instance_id: str
    function: str
    threads: tuple[str, ...]
    timers: tuple[str, ...]
    sockets: tuple[str, ...]
    processes: tuple[str, ...]
