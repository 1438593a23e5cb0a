"""The limits table of `fclocal doctor`: how near process walls and containers come to FC's limits on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from emulator.cli.jsonlines import to_line
from emulator.cli.terminal import Terminal, columns, cut
from emulator.model.launch import Network, WallsKind
from emulator.sandbox.base import Walls
from emulator.sandbox.inside import look
from emulator.sandbox.limits_table import LIMITS, Held, Level, Limit, Table

_COLORS = {Level.EXACT: "green", Level.APPROXIMATE: "yellow", Level.ABSENT: "red"}


class Column(Struct, frozen=True):
    """One kind of walls. Without a `table`, `missing` says why there is none."""

    kind: WallsKind
    rung: str = ""
    table: Table | None = None
    missing: str = ""

    @property
    def title(self) -> str:
        return f"{self.kind.value} ({self.rung})" if self.rung not in ("", self.kind.value) else self.kind.value


async def column(kind: WallsKind, walls: Walls, network: Network | None) -> Column:
    """Looks into walls that stand."""
    return Column(kind, walls.rung, walls.held(await look(walls), network))


def text(found: Sequence[Column], terminal: Terminal) -> list[str]:
    """The table, and below it what is not exact, with the commands that lift it."""
    rows = [("limits", *(it.title for it in found))]
    rows += [(limit.name, *(_level(limit, it) for it in found)) for limit in LIMITS]
    head, *lines = columns(rows)
    told = [terminal.paint("bold", head), *(_painted(line, terminal) for line in lines)]
    notes = [line for it in found if it.missing for line in (f"{it.kind.value}: {it.missing}",)]
    for limit in LIMITS:
        for kinds, held in _not_exact(limit, found):
            notes.append(f"{limit.name} ({kinds}): {held.why}")
            if held.lift:
                notes.append(terminal.paint("dim", f"    → {held.lift}"))
    return [*told, "", *(cut(note, terminal.width) for note in notes)]


def json_lines(found: Sequence[Column]) -> Iterator[str]:
    for limit in LIMITS:
        fields: dict[str, object] = {"topic": limit.name, "in_fc": limit.in_fc, "source": limit.source}
        for it in found:
            held = _held(limit, it)
            fields[it.kind.value] = {"level": held.level.value, "why": held.why, "lift": held.lift}
        yield to_line("limit", fields)


def _held(limit: Limit, of: Column) -> Held:
    return Held(Level.ABSENT, of.missing) if of.table is None else of.table[limit.name]


def _level(limit: Limit, of: Column) -> str:
    return "-" if of.table is None else of.table[limit.name].level.value


def _not_exact(limit: Limit, found: Sequence[Column]) -> Iterator[tuple[str, Held]]:
    """Once where both kinds say the same."""
    kinds: dict[Held, list[str]] = {}
    for it in found:
        if it.table is not None and (held := it.table[limit.name]).level is not Level.EXACT:
            kinds.setdefault(held, []).append(it.kind.value)
    for held, of in kinds.items():
        yield ", ".join(of), held


def _painted(line: str, terminal: Terminal) -> str:
    line = cut(line, terminal.width)
    for level, color in _COLORS.items():
        line = line.replace(f" {level.value}", f" {terminal.paint(color, level.value)}")
    return line
