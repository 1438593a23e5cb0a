"""What `fclocal coldstart` found, for a person and for a program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from emulator.cli.coldstart_text import report
from emulator.cli.terminal import Terminal
from emulator.coldstart.budget import Excess
from emulator.coldstart.compare import Comparison, causes
from emulator.coldstart.evidence import Advice, Provisioned, Usage
from emulator.coldstart.study import Study
from emulator.coldstart.summary import summarize
from emulator.coldstart.wording import in_words, saving, why


class Tried(Struct, frozen=True):
    """What a change brings; for provisioned instances what one costs."""

    comparison: Comparison
    provisioned: Provisioned | None = None


class Result(Struct, frozen=True):
    """`study` is that of the code as it is; without something to compare with, `base` and `comparison` are null.
    `usage` is null where nobody could say what is used."""

    study: Study
    base: Study | None = None
    comparison: Comparison | None = None
    over_budget: tuple[Excess, ...] = ()
    tried: tuple[Tried, ...] = ()
    usage: Usage | None = None
    advice: tuple[Advice, ...] = ()


class View(ABC):
    """Words about the work go to stderr, what was found to stdout."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._line = False

    def progress(self, text: str) -> None:
        """Where a person looks, in a line that is written over."""
        if self._terminal.is_heard:
            self._line = True
            self._terminal.write_err(f"\r\x1b[K{text}")

    def failed(self, body: str, said: Sequence[str]) -> None:
        """A run failed: what the function wrote, and FC's error body."""
        self._end_line()
        for line in said:
            self._terminal.tell(line)
        self._tell_error(body)

    def kept(self, name: str, path: Path) -> None:
        self._terminal.tell(f"kept as {name} in {path}")

    def end(self, result: Result) -> None:
        """All is measured."""
        self._end_line()
        self._show(result)

    def _end_line(self) -> None:
        if self._line:
            self._terminal.write_err("\r\x1b[K")
            self._line = False

    @abstractmethod
    def _tell_error(self, body: str) -> None: ...

    @abstractmethod
    def _show(self, result: Result) -> None: ...


class JsonView(View):
    """One object: the study with all its runs, the figures of all of them together, and what they were held against."""

    def _tell_error(self, body: str) -> None:
        """It is in the study."""

    def _show(self, result: Result) -> None:
        summary = summarize(result.study.runs)
        fields = {
            "kind": "coldstart",
            "study": result.study,
            "base": result.base,
            "total": summary.total if summary else None,
            "phases": [{"path": row.path, "ms": row.ms} for row in summary.phases] if summary else [],
            "comparison": result.comparison,
            "verdict": in_words(result.comparison) if result.comparison else None,
            "because": [*map(why, causes(result.comparison))] if result.comparison else [],
            "over_budget": result.over_budget,
            "tried": [{"saving": saving(it.comparison), **msgspec.structs.asdict(it)} for it in result.tried],
            "usage": result.usage,
            "advice": result.advice,
        }
        self._terminal.say(msgspec.json.encode(fields).decode())


class TextView(View):
    """Tables, the verdict, and what is over the budget."""

    def _tell_error(self, body: str) -> None:
        self._terminal.say(body)

    def _show(self, result: Result) -> None:
        terminal = self._terminal
        summary = summarize(result.study.runs)
        if summary is not None:
            terminal.write(report(summary, result.advice, terminal.paint, terminal.width))
        for note in result.study.notes:
            terminal.say(terminal.paint("dim", note))
        if result.comparison is not None:
            self._show_comparison(result.comparison)
        for tried in result.tried:
            self._show_tried(tried)
        for excess in result.over_budget:
            self._show_excess(excess)

    def _show_comparison(self, found: Comparison) -> None:
        terminal = self._terminal
        how = f"{found.rounds} rounds side by side" if found.paired else "not measured side by side"
        terminal.say()
        terminal.say(terminal.paint("bold", in_words(found)))
        medians = f"{found.base} {found.base_ms:.0f} ms, {found.new} {found.new_ms:.0f} ms (medians; {how})"
        terminal.say(terminal.paint("dim", medians))
        for part in causes(found):
            terminal.say(f"  {why(part)}")

    def _show_tried(self, tried: Tried) -> None:
        terminal, found = self._terminal, tried.comparison
        terminal.say()
        terminal.say(terminal.paint("bold", f"{found.new} {saving(found)}"))
        if tried.provisioned is not None:
            cost = f"{tried.provisioned.cost_per_month:,.2f} {tried.provisioned.currency}"
            terminal.say(f"  one provisioned instance costs {cost} a month while it idles (docs/cost.md)")
        terminal.say(terminal.paint("dim", f"{in_words(found)}; {found.rounds} rounds side by side"))

    def _show_excess(self, excess: Excess) -> None:
        terminal, rule = self._terminal, excess.rule
        terminal.say()
        terminal.say(terminal.paint("red", f"over the budget: {rule.text} is {excess.measured:.1f} {rule.unit}"))
        if excess.largest:
            terminal.say(f"  largest: {', '.join(excess.largest)}")
        for line in excess.grew:
            terminal.say(f"  grew: {line}")
