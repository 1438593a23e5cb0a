"""What `fclocal parity` found, for a person and for a program."""

from __future__ import annotations

import fnmatch
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from emulator.cli.jsonlines import to_line
from emulator.cli.parity_compare import Difference
from emulator.cli.parity_run import Result, Side
from emulator.cli.terminal import Terminal, columns, cut

_INSIDE = "inside"


class View(ABC):
    """Counts `differences`, without those whose names somebody has said are known."""

    def __init__(self, terminal: Terminal, sides: Sequence[Side], ignored: Sequence[str]) -> None:
        self._terminal = terminal
        self._sides = sides
        self._patterns = tuple(ignored)
        self.differences = 0
        self.ignored = 0
        self._events = 0
        self._different_events = 0

    def show(self, result: Result) -> None:
        """One event, or the look inside."""
        kept = [it for it in result.compared.differences if not self._is_known(it.where)]
        self.differences += len(kept)
        self.ignored += len(result.compared.differences) - len(kept)
        if result.event:
            self._events += 1
            self._different_events += bool(kept)
        self._show(result, kept)

    @abstractmethod
    def end(self) -> None:
        """All is compared."""

    @abstractmethod
    def _show(self, result: Result, differences: Sequence[Difference]) -> None: ...

    def _is_known(self, where: str) -> bool:
        return any(where == pattern or fnmatch.fnmatchcase(where, pattern) for pattern in self._patterns)


class JsonView(View):
    """One object a line: each event, the look inside, and what it comes to."""

    def _show(self, result: Result, differences: Sequence[Difference]) -> None:
        fields: dict[str, object] = {"same": not differences, "differences": [*map(_fields, differences)]}
        fields["not_compared"] = list(result.compared.left_out)
        kind = "event" if result.event else _INSIDE
        self._terminal.write(to_line(kind, {"event": result.event, **fields} if result.event else fields))

    def end(self) -> None:
        notices = {side.kind.value: list(side.notices) for side in self._sides}
        fields = {"same": not self.differences, "differences": self.differences, "ignored": self.ignored}
        self._terminal.write(to_line("parity", {**fields, "events": self._events, "notices": notices}))


class TextView(View):
    """What is the same in a line, what differs with both values side by side."""

    def __init__(self, terminal: Terminal, sides: Sequence[Side], ignored: Sequence[str]) -> None:
        super().__init__(terminal, sides, ignored)
        self._left_out: dict[str, None] = {}
        terminal.say(terminal.paint("bold", "  |  ".join(side.title for side in sides)))

    def _show(self, result: Result, differences: Sequence[Difference]) -> None:
        self._left_out.update(dict.fromkeys(result.compared.left_out))
        terminal, name = self._terminal, result.event or _INSIDE
        if not differences:
            same = f"the same: {result.answered}" if result.answered else "the same"
            terminal.say(f"{terminal.paint('green', '✓')} {name}  {same}")
            return
        terminal.say(f"{terminal.paint('yellow', '!')} {name}")
        rows = [("    ", it.where, _one_line(it.process), _one_line(it.container)) for it in differences]
        head, *lines = columns([("    ", "", *(side.kind.value for side in self._sides)), *rows])
        terminal.say(terminal.paint("dim", head))
        for line in lines:
            terminal.say(cut(line, terminal.width))

    def end(self) -> None:
        terminal = self._terminal
        terminal.say()
        for line in self._notes():
            terminal.say(terminal.paint("dim", line))
        if not self.differences:
            terminal.say(f"No difference in {self._counted()}.")
            return
        told = f"{self.differences} difference{'' if self.differences == 1 else 's'}"
        terminal.say(f"{told}; {self._different_events} of {self._counted()} differ.")

    def _counted(self) -> str:
        return f"{self._events} event{'' if self._events == 1 else 's'}"

    def _notes(self) -> Iterator[str]:
        if self._left_out:
            yield f"not compared: {', '.join(self._left_out)}"
        if self.ignored:
            yield f"ignored: {self.ignored} by --ignore"


def _fields(it: Difference) -> dict[str, str]:
    return {"where": it.where, "process": it.process, "container": it.container}


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n") or "(empty)"
