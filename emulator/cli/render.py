"""Journal events as the lines that a person reads: FC's own lines verbatim, ours marked with `fclocal:`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from emulator.cli.terminal import Paint, cell_width, cut, pad
from emulator.instance.exchange import suffix
from emulator.model.events import (
    Event,
    HookEnded,
    HookStarted,
    InstanceMoved,
    InstanceWrote,
    InvocationEnded,
    InvocationRejected,
    InvocationStarted,
    LogLine,
    Notice,
    RevisionDeployed,
    Span,
    TaskMoved,
)
from emulator.model.invocation import FunctionError, summary

# A program that prints FC's markers itself (runtime-contract.md §6.1): ours stand already, so its own are left out.
MARKER = re.compile(r"FC (?:Invoke|Initialize|PreStop|PreFreeze) (?:Start|End) RequestId: (\S+?)(?:,.*)?\r?\Z")
PREFIX_STYLES = ("cyan", "magenta", "blue", "green", "yellow")
PREFIX_CELLS = 24
LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3}
PATHS_SHOWN = 5
# The interpreter's doing, not the function's.
PYTHON_CACHE = "/__pycache__/"
NOTICE_STYLES = {"warning": "yellow", "error": "red"}


class LogRenderer:
    """Turns batches of events into text.

    `functions` are all that may speak; where there are several, each line begins with its function's name. `level`
    is the least important level of our own messages that is shown.
    """

    def __init__(self, paint: Paint, functions: Sequence[str], level: str = "info") -> None:
        self._paint = paint
        self._level = LEVELS[level]
        self._prefixes = _prefixes(functions, paint) if len(functions) > 1 else {}
        # Asked for once: these stand in three lines of each invocation.
        self._dim, self._red = paint.around("dim"), paint.around("red")
        self._told: set[tuple[str, ...]] = set()
        self._writers: Mapping[type, Callable[[Any], Iterable[str]]] = {
            InvocationStarted: self._started,
            InvocationEnded: self._ended,
            InvocationRejected: self._rejected,
            HookStarted: self._hook_started,
            HookEnded: self._hook_ended,
            LogLine: self._log,
            Notice: self._notice,
            RevisionDeployed: self._deployed,
            InstanceMoved: self._moved,
            InstanceWrote: self._wrote,
            Span: self._span,
            TaskMoved: self._task,
        }

    def batch(self, events: Iterable[Event]) -> str:
        """The text of a batch, to be written at once; empty where nothing is to be shown."""
        lines: list[str] = []
        for event in events:
            lines += self._writers[type(event)](event)
        return "\n".join([*lines, ""]) if lines else ""

    def _line(self, function: str, text: str) -> str:
        prefix = self._prefixes.get(function)
        return f"{prefix}{text}" if prefix else text

    def _ours(self, text: str, level: str = "info") -> list[str]:
        if LEVELS.get(level, 1) < self._level:
            return []
        return [self._paint(NOTICE_STYLES.get(level, "dim"), f"fclocal: {text}")]

    def _started(self, event: InvocationStarted) -> Iterable[str]:
        dim, plain = self._dim
        prefix = self._prefixes.get(event.function, "")
        return (f"{prefix}{dim}FC Invoke Start RequestId: {event.request_id}{plain}",)

    def _ended(self, event: InvocationEnded) -> Iterable[str]:
        dim, plain = self._dim
        before, behind = self._red if event.error else self._dim
        prefix = self._prefixes.get(event.function, "")
        return (
            f"{prefix}{before}FC Invoke End RequestId: {event.request_id}{_suffix(event)}{behind}",
            "",
            f"{prefix}{dim}{summary_line(event)}{plain}",
        )

    def _rejected(self, event: InvocationRejected) -> list[str]:
        text = f"{event.function}: {event.status} {event.code}: {event.message} (RequestId: {event.request_id})"
        return self._ours(text, "warning")

    def _hook_started(self, event: HookStarted) -> list[str]:
        text = f"FC {event.hook} Start RequestId: {event.request_id}"
        return [self._line(event.function, self._paint("dim", text))]

    def _hook_ended(self, event: HookEnded) -> list[str]:
        text = f"FC {event.hook} End RequestId: {event.request_id}{suffix(None, event.detail)}"
        return [self._line(event.function, self._paint("red" if event.detail else "dim", text))]

    def _log(self, event: LogLine) -> list[str]:
        return [] if _repeats_marker(event) else [self._line(event.function, event.text)]

    def _notice(self, event: Notice) -> list[str]:
        about = f"{event.function}: " if event.function else ""
        return self._ours(about + event.message, event.level)

    def _deployed(self, event: RevisionDeployed) -> list[str]:
        level = "info" if event.revision > 1 else "debug"
        return self._ours(f"{event.function} is now revision {event.revision}", level)

    def _moved(self, event: InstanceMoved) -> list[str]:
        why = f" ({event.reason})" if event.reason else ""
        text = f"{event.function}@r{event.revision} {event.instance_id} {event.before.value} → {event.after.value}{why}"
        return self._ours(text, "debug")

    def _wrote(self, event: InstanceWrote) -> list[str]:
        """Files that somebody may look for in vain: told once for all instances that wrote the same."""
        paths = [path for path in event.paths if PYTHON_CACHE not in path]
        key = (event.function, *paths)
        if not paths or key in self._told:
            return []
        self._told.add(key)
        shown = ", ".join(paths[:PATHS_SHOWN])
        more = f" and {event.total - PATHS_SHOWN} more" if len(paths) > PATHS_SHOWN else ""
        return self._ours(f"{event.function} wrote {shown}{more}: gone with the instance, as in FC")

    def _span(self, event: Span) -> list[str]:
        detail = f" ({event.detail})" if event.detail else ""
        text = f"{event.function} {event.instance_id} {event.name} took {event.duration_ms:.1f} ms{detail}"
        return self._ours(text, "debug")

    def _task(self, event: TaskMoved) -> list[str]:
        return self._ours(f"{event.function} task {event.task_id} {event.state}, attempt {event.attempt}", "debug")


def _repeats_marker(event: LogLine) -> bool:
    if not event.text.startswith("FC "):
        return False
    found = MARKER.match(event.text)
    return found is not None and event.request_id in ("", found[1])


def _suffix(event: InvocationEnded) -> str:
    if not (event.error or event.detail):
        return ""
    return suffix(FunctionError(event.error) if event.error else None, event.detail)


def summary_line(event: InvocationEnded) -> str:
    """FC's summary line with three figures of ours behind it."""
    figures = summary(event.duration_ms, event.memory_mb, event.memory_size_mb)
    cold = f"Cold: yes, Init: {event.init_ms:.2f} ms" if event.cold else "Cold: no"
    return f"{figures}, {cold}, Instance: {event.instance_id}"


def _prefixes(functions: Sequence[str], paint: Paint) -> dict[str, str]:
    width = min(PREFIX_CELLS, max(map(cell_width, functions)))
    return {
        name: paint(PREFIX_STYLES[i % len(PREFIX_STYLES)], pad(cut(name, width), width) + " | ")
        for i, name in enumerate(functions)
    }
