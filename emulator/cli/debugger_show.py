"""What the terminal debugger shows: source with the current line, stacks, variables, breakpoints, threads (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from emulator.cli.terminal import Paint, columns, cut
from emulator.debug.client_breakpoints import Breakpoint
from emulator.debug.client_session import Frame, Stop
from emulator.debug.dap import Message
from emulator.debug.names import QUEUED

LINES_AROUND = 5
# `hello#2 · MainThread`: the router's names (debugging.md), of which only the first part is the instance.
SEPARATOR = " · "

# Where our word is not the protocol's.
REASONS = {"pause": "paused", "goto": "jump"}
# What an instance does is what the most notable of its threads does: the last of these.
NOTABLE = ("running", QUEUED.strip("()"), "stopped")


class Show:
    """Makes text of it. Paths are told from `here`; lines are at most `width` cells."""

    def __init__(self, paint: Paint, here: Path, width: int) -> None:
        self._paint = paint
        self._here = here
        self._width = width

    def path(self, path: str) -> str:
        """As short as it can be."""
        try:
            return str(Path(path).relative_to(self._here))
        except ValueError:
            return path

    def place(self, frame: Frame) -> str:
        return f"{self.path(frame.path) if frame.path else frame.name}:{frame.line}"

    def stop(self, stop: Stop, thread: str, frame: Frame | None, marks: Sequence[Breakpoint]) -> list[str]:
        """One line that says who stopped, where and why; an exception has a line of its own."""
        reason = _reason(stop)
        if marks:
            reason += " " + ", ".join(str(mark.number) for mark in marks)
        where = f" at {self._paint('bold', self.place(frame))} in {frame.name}" if frame else ""
        lines = [f"{self._paint('yellow', '●')} {self._paint('cyan', thread)} stopped{where} ({reason})"]
        if stop.reason == "exception" and stop.text:
            lines.append(self._paint("red", f"  {stop.text}"))
        return lines

    def source(self, text: Sequence[str], current: int, first: int, last: int, marks: Mapping[int, str]) -> list[str]:
        """Lines `first` to `last` with their numbers, the current one marked by `→`, breakpoints by `marks`."""
        shown = range(max(first, 1), min(last, len(text)) + 1)
        size = len(str(shown.stop))
        lines = []
        for number in shown:
            arrow = "→" if number == current else " "
            line = cut(
                f"{number:>{size}} {marks.get(number, ' ')}{arrow} {text[number - 1].expandtabs(4)}", self._width
            )
            lines.append(self._paint("bold", line) if number == current else line)
        return lines

    def stack(self, frames: Sequence[Frame], current: int) -> list[str]:
        """The outermost first, as pdb has it."""
        rows = [
            [">" if index == current else " ", str(index), frame.name, self.place(frame)]
            for index, frame in reversed(list(enumerate(frames)))
        ]
        lines = [cut(line, self._width) for line in columns(rows)]
        styles = ["bold" if row[0] == ">" else "dim" if frames[int(row[1])].subtle else "" for row in rows]
        return [self._paint(style, line) if style else line for line, style in zip(lines, styles, strict=True)]

    def variables(self, variables: Sequence[Message]) -> list[str]:
        """`name = value`, without the groups that a debugger makes of what the language has by itself."""
        lines = [
            cut(f"{self._paint('cyan', str(v['name']))} = {v.get('value', '')}", self._width)
            for v in variables
            if v.get("type") or not str(v.get("name", "")).endswith(" variables")
        ]
        return lines or [self._paint("dim", "no variables")]

    def breakpoints(self, breakpoints: Sequence[Breakpoint]) -> list[str]:
        if not breakpoints:
            return ["There are none. b FILE:LINE sets one."]
        return [self.breakpoint(b) for b in breakpoints]

    def breakpoint(self, b: Breakpoint) -> str:
        """Where it is, and what is special about it."""
        where = b.function or f"{self.path(b.path)}:{b.line}"
        more = [f"if {b.condition}"] if b.condition else []
        more += [f"log {b.log!r}"] if b.log else []
        more += ["once"] if b.temporary else []
        more += [] if b.verified else [f"not verified{f': {b.message}' if b.message else ''}"]
        return "  ".join([f"{b.number:>3}", where, *(self._paint("dim", text) for text in more)])

    def threads(self, threads: Mapping[int, str], stops: Mapping[int, Stop], current: int | None) -> list[str]:
        """All threads with what they do; the current one is marked."""
        rows = [
            [
                "*" if thread == current else " ",
                str(thread),
                name.removesuffix(f" {QUEUED}"),
                f"stopped ({_reason(stops[thread])})" if thread in stops else _unseen(name),
            ]
            for thread, name in sorted(threads.items())
        ]
        return columns(rows) or ["There are none yet: an instance starts with the first invocation."]

    def instances(self, threads: Mapping[int, str], stops: Mapping[int, Stop]) -> list[str]:
        """Instances by the names of their threads."""
        found: dict[str, list[str]] = {}
        for thread, name in sorted(threads.items()):
            found.setdefault(instance_of(name), []).append("stopped" if thread in stops else _unseen(name))
        rows = [
            [
                name,
                f"{len(states)} threads" if len(states) > 1 else "1 thread",
                max(states, key=NOTABLE.index),
            ]
            for name, states in found.items()
        ]
        return columns(rows) or ["There are none yet: one starts with the first invocation."]


def _unseen(thread: str) -> str:
    """What a thread does that no stop was told of."""
    return QUEUED.strip("()") if thread.endswith(QUEUED) else "running"


def _reason(stop: Stop) -> str:
    """Why it stands, in a word or two; of what was paused for a reason also that."""
    word = REASONS.get(stop.reason, stop.reason)
    return f"{word}: {stop.text}" if stop.reason == "pause" and stop.text else word


def instance_of(thread: str) -> str:
    """The instance that a thread's name tells."""
    return thread.partition(SEPARATOR)[0]
