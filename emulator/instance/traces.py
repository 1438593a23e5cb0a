"""Hears from instances how their starts were spent, and puts it into the journal.

What an instance says is not to be trusted: it is checked, and cut where there is too much of it.
"""

from __future__ import annotations

import asyncio
import functools
import time
from typing import Any

import msgspec
from msgspec import Struct

from emulator.instance.control import Callee, Control, Switchboard
from emulator.instance.instance import Instance
from emulator.instance.telling import PATIENCE_SECONDS
from emulator.journal.journal import Journal
from emulator.model.events import InstanceTraced, TracedImport, TracedPhase

# What the hello of a program says that tells when it is asked.
ASKED = "asked"
MOST_IMPORTS = 5000
MOST_PHASES = 100
LONGEST_TEXT = 1000
# What is told is younger than this; a clock that differs by more is not the one of this kernel.
OLDEST_SECONDS = 600.0


class Told(Struct):
    """The event `trace` (docs/bootstrap-protocol.md)."""

    phases: list[TracedPhase] = []
    imports: list[TracedImport] = []
    more: int = 0
    record_seconds: float = 0.0
    clock: str = "monotonic"
    now: float = 0.0
    used: list[str] = []
    unused: list[str] = []


def ask_for_traces(switchboard: Switchboard, journal: Journal, *, usage: bool) -> str:
    """What instances are to be asked, now that somebody listens; see `DebugLink.trace`."""
    Traces(switchboard, journal)
    return "usage" if usage else "1"


class Traces:
    """Listens to all instances of a switchboard. Of a function's bootstrap the first process counts."""

    def __init__(self, switchboard: Switchboard, journal: Journal) -> None:
        self._journal = journal
        switchboard.listen("hello", self._expect)
        switchboard.listen("trace", self._heard)

    def _expect(self, callee: Callee, control: Control, said: dict[str, Any]) -> None:
        if not isinstance(callee, Instance) or not said.get("traces"):
            return
        if said["traces"] == ASKED:
            callee.telling.ask(functools.partial(self._ask, callee))
        elif callee.control is control:
            callee.telling.expect()

    def _heard(self, callee: Callee, control: Control, said: dict[str, Any]) -> None:
        if isinstance(callee, Instance) and callee.control is control:
            # What came with it, such as the answer, comes first.
            asyncio.get_running_loop().call_soon(self._take, callee, said)

    def _take(self, instance: Instance, said: dict[str, Any]) -> None:
        self._tell(instance, checked(said))
        instance.telling.done()

    async def _ask(self, instance: Instance) -> None:
        """A server may have been started by others, such as a shell or a master: it is the one that imported most."""
        asked = (control.ask("trace", PATIENCE_SECONDS) for control in instance.controls)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        told = [checked(answer) for answer in answers if isinstance(answer, dict)]
        self._tell(instance, max(told, key=lambda it: len(it.imports), default=Told()))

    def _tell(self, instance: Instance, told: Told) -> None:
        now = self._journal.now()
        self._journal.append(event_of(told, instance, now, shift_of(told, now)))


def checked(said: dict[str, Any]) -> Told:
    """Nothing, where it is not what it should be."""
    try:
        return msgspec.convert(said, Told)
    except msgspec.ValidationError:
        return Told()


def shift_of(told: Told, now: float) -> float:
    """Seconds from the instance's clock to ours. CLOCK_MONOTONIC is the same behind walls and in containers of our own
    kernel; in a virtual machine it is another, and Python 2.7 has none."""
    if told.clock == "unix":
        return now - time.time()
    return 0.0 if 0.0 <= now - told.now < OLDEST_SECONDS else now - told.now


def event_of(told: Told, instance: Instance, now: float, shift: float) -> InstanceTraced:
    kept = told.imports[:MOST_IMPORTS]
    return InstanceTraced(
        now,
        instance.id,
        instance.function,
        tuple((_cut(name), begin + shift, end + shift) for name, begin, end in told.phases[:MOST_PHASES]),
        tuple(_import(row, place, shift) for place, row in enumerate(kept)),
        told.more + len(told.imports) - len(kept),
        told.record_seconds,
        tuple(map(_cut, told.used[:MOST_IMPORTS])),
        tuple(map(_cut, told.unused[:MOST_IMPORTS])),
    )


def _import(row: TracedImport, place: int, shift: float) -> TracedImport:
    name, parent, begin, end, compiled, file, size, failed = row
    # Whoever asked for it began before it did.
    asked = parent if -1 <= parent < place else -1
    return _cut(name), asked, begin + shift, end + shift, compiled, _cut(file), size, failed


def _cut(text: str) -> str:
    return text[:LONGEST_TEXT]
