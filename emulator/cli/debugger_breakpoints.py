"""The commands of the terminal debugger that say where to stop."""

from __future__ import annotations

import re

from emulator.cli.debugger import Debugger
from emulator.debug.client import DapError
from emulator.debug.client_breakpoints import Breakpoint
from emulator.model.errors import UserError

_PLACE = re.compile(r"(?:(?P<file>.*[^:]):)?(?P<line>\d+)\Z")
_CONDITION = re.compile(r"\s*,\s*|\s+if\s+")


class BreakpointCommands:
    """Each takes what stands behind its word. Raises `UserError` and `DapError`."""

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger

    async def set(self, text: str) -> None:
        if not text:
            self._debugger.tell(self._debugger.show.breakpoints(list(self._debugger.session.breakpoints)))
            return
        place, _, condition = _split(text)
        await self._set(place, condition=condition)

    async def set_once(self, text: str) -> None:
        place, _, condition = _split(text)
        await self._set(place, condition=condition, temporary=True)

    async def log(self, text: str) -> None:
        place, _, message = text.partition(" ")
        if not message.strip():
            raise UserError("there is nothing to log", "write: log FILE:LINE TEXT, where {x} stands for the value of x")
        await self._set(place, log=message.strip())

    async def _set(self, place: str, *, condition: str = "", log: str = "", temporary: bool = False) -> None:
        more = {"condition": condition, "log": log, "temporary": temporary}
        found = _PLACE.match(place)
        if found is None and not place.isidentifier():
            raise UserError(f"{place or 'nothing'!r} is no place", "write FILE:LINE, LINE, or the name of a function")
        where = (
            {"function": place} if found is None else {"path": self._path(found["file"]), "line": int(found["line"])}
        )
        await self.add(**where, **more)

    async def add(self, **fields: object) -> Breakpoint:
        """Set it and say how it is."""
        breakpoint_ = self._debugger.session.breakpoints.add(**fields)
        try:
            await self._debugger.session.send_breakpoints(breakpoint_.path)
        except DapError:
            self._debugger.session.breakpoints.remove(breakpoint_)
            raise
        self._debugger.tell(f"Breakpoint {self._debugger.show.breakpoint(breakpoint_).strip()}")
        return breakpoint_

    def _path(self, file: str | None) -> str:
        if file:
            return self._debugger.sources.find(file)
        frame = self._debugger.here.frame
        if frame is None or not frame.path:
            raise UserError("there is no file to count lines in", "write FILE:LINE")
        return frame.path

    async def clear(self, text: str) -> None:
        gone = list(self._debugger.session.breakpoints) if not text else [self._found(text)]
        for breakpoint_ in gone:
            self._debugger.session.breakpoints.remove(breakpoint_)
        for path in dict.fromkeys(b.path for b in gone):
            await self._debugger.session.send_breakpoints(path)
        self._debugger.tell([f"Removed {self._debugger.show.breakpoint(b).strip()}" for b in gone])

    def _found(self, text: str) -> Breakpoint:
        found = self._debugger.session.breakpoints.get(int(text)) if text.isdigit() else None
        place = _PLACE.match(text)
        if place is not None and place["file"]:
            path = self._path(place["file"])
            found = next(
                (b for b in self._debugger.session.breakpoints.in_file(path) if b.line == int(place["line"])), None
            )
        if found is None:
            raise UserError(f"there is no breakpoint {text}", "b lists them")
        return found

    async def exceptions(self, text: str) -> None:
        known = {
            f["filter"]: f.get("label", "")
            for f in self._debugger.session.capabilities.get("exceptionBreakpointFilters") or []
        }
        wanted = [] if text == "none" else text.replace(",", " ").split()
        for name in wanted:
            if name not in known:
                raise UserError(f"there is no filter {name!r}", f"there are: {', '.join(known)}")
        if text:
            await self._debugger.session.set_filters(wanted)
        self._debugger.tell(
            [
                f"{'●' if name in self._debugger.session.filters else '○'} {name}  {label}"
                for name, label in known.items()
            ]
        )


def _split(text: str) -> tuple[str, str, str]:
    """A place, and the condition behind `if` or, as in pdb, behind a comma."""
    found = _CONDITION.search(text)
    return (text, "", "") if found is None else (text[: found.start()], found.group(), text[found.end() :].strip())
