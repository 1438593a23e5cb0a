"""What a person, or a program, sees of a scenario that is played: a line a step, and a table at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from emulator.cli.terminal import Terminal, cell_width, columns, pad
from emulator.model.durations import show_duration
from emulator.scenario.figures import Figures
from emulator.scenario.judge import Verdict
from emulator.scenario.play import Played, Result
from emulator.scenario.steps import Parallel, Repeat, Scenario, Step

RANKS = (50, 95, 100)
HEAD = ("function", "calls", "errors", "cold", "p50", "p95", "max", "instances", "peak", "reclaimed")


class TextView:
    """For a person."""

    def __init__(self, terminal: Terminal, scenario: Scenario) -> None:
        self._terminal = terminal
        steps = [*_walked(scenario.steps)]
        self._numbers = max(4, *(len(number) for number, _ in steps))
        self._width = min(44, max(cell_width(step.text) for _, step in steps))
        self._asserts = bool(scenario.conditions) or any(step.conditions for _, step in steps)

    def step(self, played: Played) -> None:
        paint, say = self._terminal.paint, self._terminal.say
        parts = [*_of_calls(played.figures), played.told, played.note]
        what = "  ".join(part for part in parts if part)
        took = show_duration(played.took)
        if played.passed > played.took + 1:
            took = f"{show_duration(played.passed)} in {took}"
        text = pad(played.step.text, self._width) if cell_width(played.step.text) < self._width else played.step.text
        number = f"{played.number:<{self._numbers}}"
        say(f"{number} {paint('bold', text)}  {what}{'  ' if what else ''}{paint('dim', f'({took})')}")
        if played.figures.first_error:
            say(f"     {paint('red', played.figures.first_error)}")
        for verdict in played.verdicts:
            say(f"     {self._verdict(verdict)}")

    def end(self, result: Result) -> None:
        paint, say = self._terminal.paint, self._terminal.say
        say()
        rows = [_row(name, figures) for name, figures in result.functions.items()]
        if len(rows) > 1:
            rows.append(_row("all", result.figures))
        if rows:
            for line in columns([HEAD, *rows]):
                say(line)
            say()
        for verdict in result.verdicts:
            say(self._verdict(verdict))
        time = f"{show_duration(result.passed)} in {show_duration(result.took)}"
        if result.failed:
            what = paint("red", f"{_count(result.failed, 'assertion')} failed")
        else:
            what = paint("green", "All that is asserted holds") if self._asserts else "Nothing is asserted"
        say(f"{what}; {time}.")

    def _verdict(self, verdict: Verdict) -> str:
        paint = self._terminal.paint
        if verdict.ok:
            return f"{paint('green', '✓')} {verdict.condition}  {paint('dim', verdict.measured)}"
        off = f": {verdict.off}" if verdict.off else ""
        return f"{paint('red', '✗')} {verdict.condition}  {paint('red', verdict.measured + off)}  {verdict.place}"


class JsonView:
    """For a program: an object a step, and one at the end."""

    def __init__(self, terminal: Terminal, scenario: Scenario) -> None:
        self._terminal = terminal

    def step(self, played: Played) -> None:
        self._say(
            kind="step",
            step=played.number,
            what=played.step.text,
            place=str(played.step.place),
            figures=_plain(played.figures),
            told=played.told,
            note=played.note,
            passed_s=round(played.passed, 3),
            took_ms=round(played.took * 1000, 3),
            assertions=_verdicts(played.verdicts),
        )

    def end(self, result: Result) -> None:
        self._say(
            kind="result",
            ok=not result.failed,
            failed=result.failed,
            figures=_plain(result.figures),
            functions={name: _plain(figures) for name, figures in result.functions.items()},
            passed_s=round(result.passed, 3),
            took_ms=round(result.took * 1000, 3),
            assertions=_verdicts(result.verdicts),
        )

    def _say(self, **fields: Any) -> None:
        self._terminal.say(json.dumps(fields, ensure_ascii=False))


def _walked(steps: Sequence[Step], above: str = "") -> Iterator[tuple[str, Step]]:
    """Each step with its number; of what is repeated the last time, which has the longest."""
    for index, step in enumerate(steps, 1):
        number = f"{above}{index}"
        yield number, step
        match step.action:
            case Repeat(times, below):
                yield from _walked(below, f"{number}.{times}.")
            case Parallel(branches):
                for branch, below in enumerate(branches, 1):
                    yield from _walked(below, f"{number}.{branch}.")


def _of_calls(figures: Figures) -> Iterator[str]:
    if not figures.calls:
        return
    yield _count(figures.calls, "call")
    if figures.cold_starts:
        yield f"{figures.cold_starts} cold"
    if figures.errors:
        yield _count(figures.errors, "error")
    yield f"p50 {_time(figures, 50)}"
    yield f"p95 {_time(figures, 95)}"
    if figures.peak_instances > 1:
        yield f"{figures.peak_instances} instances"


def _count(count: int, word: str) -> str:
    return f"{count} {word}{'s' if count != 1 else ''}"


def _time(figures: Figures, rank: float) -> str:
    seconds = figures.percentile(rank)
    return "-" if seconds is None else show_duration(seconds)


def _row(name: str, figures: Figures) -> tuple[str, ...]:
    counts = (figures.calls, figures.errors, figures.cold_starts)
    behind = (figures.instances, figures.peak_instances, figures.reclaimed)
    return (name, *map(str, counts), *(_time(figures, rank) for rank in RANKS), *map(str, behind))


def _plain(figures: Figures) -> dict[str, Any]:
    ranks = {f"p{rank}_ms" if rank < 100 else "max_ms": figures.percentile(rank) for rank in RANKS}
    return {
        "calls": figures.calls,
        "errors": figures.errors,
        "statuses": {str(status): count for status, count in sorted(figures.statuses.items())},
        "cold_starts": figures.cold_starts,
        **{name: None if seconds is None else round(seconds * 1000, 3) for name, seconds in ranks.items()},
        "instances": figures.instances,
        "peak_instances": figures.peak_instances,
        "reclaimed": figures.reclaimed,
        "prestops": figures.prestops,
        "succeeded": figures.succeeded,
        "failed": figures.failed,
        "retries": figures.retries,
        "timers": figures.timers,
        "memory_mb": figures.memory_mb,
        "first_error": figures.first_error,
    }


def _verdicts(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    return [
        {"assertion": it.condition, "ok": it.ok, "measured": it.measured, "off": it.off, "place": it.place}
        for it in verdicts
    ]
