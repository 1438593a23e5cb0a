"""A post-mortem as a page of text: what failed and where, the source around it, and the values that were there."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from emulator.cli.terminal import Paint, columns, cut
from emulator.debug.postmortem.bundle import Failure, Frame, PostMortem, Thread, Value
from emulator.debug.postmortem.lines import host_path, one_line, source_lines

LINES_BEFORE, LINES_BEHIND = 3, 2
VALUE_CHARS = 160
NAME_CELLS = 24
WHAT_CELLS, WHERE_CELLS = 60, 40
EVENT_LINES = 40
CURVE = " ▁▂▃▄▅▆▇█"
CURVE_CELLS = 40
MARK = "❱"
BETWEEN = {
    "cause": "The exception above was the direct cause of the following one:",
    "context": "While the exception above was handled, another one occurred:",
}


def page(bundle: PostMortem, paint: Paint, width: int, *, full: bool = False) -> list[str]:
    """All of it. `full` adds the variables of libraries and of other threads."""
    view = _View(bundle, paint, width, full)
    return [line.rstrip() for section in view.sections() for line in section][:-1]


def short_what(bundle: PostMortem) -> str:
    return cut(" ".join(bundle.what.split()), WHAT_CELLS)


def short_where(bundle: PostMortem) -> str:
    return cut(bundle.where, WHERE_CELLS)


class _View:
    def __init__(self, bundle: PostMortem, paint: Paint, width: int, full: bool) -> None:
        self._bundle = bundle
        self._paint = paint
        self._width = width
        self._full = full
        self._sources: dict[str, dict[int, str]] = {}

    def sections(self) -> Iterator[Iterator[str]]:
        yield self._head()
        dump = self._bundle.dump
        yield from self._chain(dump.exceptions)
        if not dump.exceptions:
            yield from (self._thread(thread, with_values=True) for thread in dump.threads if thread.current)
        for thread in dump.threads:
            if not thread.current and thread.frames:
                yield self._thread(thread, with_values=self._full)
        yield from (self._log(), self._event(), self._memory(), self._remarks())

    def _title(self, text: str, more: str = "") -> str:
        return self._paint("bold", text) + (f"  {self._paint('dim', more)}" if more else "")

    # --- what and where ---

    def _head(self) -> Iterator[str]:
        bundle, paint = self._bundle, self._paint
        yield f"{paint('red', bundle.what)}"
        if bundle.where:
            yield f"at {bundle.where}"
        yield ""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(bundle.at))
        runtime = f"{bundle.runtime}{f' (Python {bundle.dump.python})' if bundle.dump.python else ''}"
        rows = [
            ("function", f"{bundle.function}  revision {bundle.revision}, code {bundle.fingerprint[:12] or 'unknown'}"),
            ("handler", f"{bundle.handler}  {runtime}"),
            ("request", f"{bundle.id}  {_call(bundle)}".rstrip()),
            ("instance", bundle.instance_id + _ending(bundle)),
            ("when", f"{when}, {bundle.phase} ran {bundle.duration_ms:.1f} ms of {bundle.timeout:g} s"),
        ]
        for line in columns(rows):
            yield paint("dim", line)
        yield ""

    def _chain(self, failures: Sequence[Failure]) -> Iterator[Iterator[str]]:
        """The oldest first, as Python prints it: what reached the caller stands last."""
        for index in range(len(failures) - 1, -1, -1):
            yield self._failure(failures[index])
            if index > 0:
                yield iter([self._paint("yellow", BETWEEN.get(failures[index].relation, "")), ""])

    def _failure(self, failure: Failure, indent: str = "") -> Iterator[str]:
        yield indent + self._title("Traceback", "most recent call last")
        for frame in reversed(failure.frames):
            for line in self._frame(frame, with_values=self._full or not frame.library):
                yield indent + line
        message = failure.message.splitlines() or [""]
        yield indent + self._paint("red", f"{failure.type}: {message[0]}" if failure.message else failure.type)
        for line in (*message[1:], *failure.notes):
            yield indent + self._paint("red", line)
        yield ""
        for number, member in enumerate(failure.group, 1):
            yield f"{indent}  {self._title(f'Member {number} of {len(failure.group)} or more')}"
            yield from self._failure(member, indent + "  ")

    # --- frames ---

    def _thread(self, thread: Thread, *, with_values: bool) -> Iterator[str]:
        which = "where it stood" if self._bundle.kind == "timeout" else "most recent call last"
        yield self._title(thread.name, which)
        for frame in reversed(thread.frames):
            yield from self._frame(frame, with_values=with_values and (self._full or not frame.library))
        yield ""

    def _frame(self, frame: Frame, *, with_values: bool) -> Iterator[str]:
        paint = self._paint
        where = f"{self._name(frame.file)}:{frame.line}" if frame.line else self._name(frame.file)
        yield f"  {paint('dim' if frame.library else 'cyan', where)} in {frame.function or '?'}"
        yield from self._source(frame)
        if with_values:
            yield from self._values(frame.locals, "")
            yield from self._values(frame.globals, "global ")
        if frame.omitted:
            yield paint("dim", f"  … {frame.omitted} frames left out …")

    def _name(self, file: str) -> str:
        """As it is on this machine, so that a terminal can open it."""
        path = host_path(self._bundle, file)
        try:
            return str(path.relative_to(Path.cwd()))
        except ValueError:
            return str(path)

    def _source(self, frame: Frame) -> Iterator[str]:
        lines = self._sources.get(frame.file)
        if lines is None:
            lines = self._sources[frame.file] = source_lines(self._bundle, frame.file)
        around = 0 if frame.library and not self._full else 1
        first, last = frame.line - LINES_BEFORE * around, frame.line + LINES_BEHIND * around
        shown = [number for number in range(first, last + 1) if number in lines]
        digits = len(str(last))
        for number in shown:
            text = cut(f"{number:>{digits}}  {lines[number].expandtabs()}", self._width - 6)
            here = number == frame.line
            yield f"  {self._paint('red', MARK)} {text}" if here else f"    {self._paint('dim', text)}"

    def _values(self, values: Sequence[Value], prefix: str) -> Iterator[str]:
        if not values:
            return
        names = [prefix + value.name for value in values]
        cells = min(max(map(len, names)), NAME_CELLS)
        for name, value in zip(names, values, strict=True):
            text = one_line(value, min(VALUE_CHARS, max(self._width - cells - 12, 20)))
            style = "yellow" if value.redacted else ""
            yield f"        {self._paint('green', name.ljust(cells))} = {self._paint(style, text) if style else text}"

    # --- around it ---

    def _log(self) -> Iterator[str]:
        if self._bundle.log:
            yield self._title("Log", f"the last {len(self._bundle.log)} lines")
            yield from (f"  {line}" for line in self._bundle.log)
            yield ""

    def _event(self) -> Iterator[str]:
        event = self._bundle.event
        if event.size is None:
            if self._bundle.phase == "Invoke":
                yield from (self._title("Event", "it came as a stream, which was not kept"), "")
            return
        yield self._title("Event", f"{event.size} bytes{', the beginning of which is' if event.is_cut else ''}")
        lines = (event.text or ("(no text)" if event.size else "(empty)")).splitlines()
        yield from (f"  {line}" for line in lines[:EVENT_LINES])
        if len(lines) > EVENT_LINES:
            yield self._paint("dim", f"  … {len(lines) - EVENT_LINES} more lines: --json has all")
        yield ""

    def _memory(self) -> Iterator[str]:
        memory = self._bundle.memory
        yield self._title("Memory", f"{memory.peak_mb:.1f} MB at its highest, of {memory.limit_mb:g} MB")
        if len(memory.curve) > 1:
            drawn = curve([mb for _, mb in memory.curve], memory.limit_mb)
            yield f"  {drawn}  {self._paint('dim', f'the last {-memory.curve[0][0]:.1f} s')}"
        yield ""

    def _remarks(self) -> Iterator[str]:
        for remark in self._bundle.remarks:
            yield self._paint("dim", f"  {remark}")
        yield ""


def curve(values: Sequence[float], highest: float) -> str:
    """Values as bars below the limit."""
    step = max(1, -(-len(values) // CURVE_CELLS))
    groups = [max(values[i : i + step]) for i in range(0, len(values), step)]
    top = max(highest, *groups, 1.0)
    return "".join(CURVE[round(value / top * (len(CURVE) - 1))] for value in groups)


def _call(bundle: PostMortem) -> str:
    request = bundle.request
    parts = [f"{request.method} {request.target}".strip(), request.trigger, "asynchronous" if request.is_async else ""]
    parts.append(f"attempt {request.retry_count + 1}" if request.retry_count else "")
    return ", ".join(part for part in parts if part)


def _ending(bundle: PostMortem) -> str:
    ending = bundle.ending
    if ending.signal is not None:
        name = signal.Signals(ending.signal).name if ending.signal in signal.valid_signals() else str(ending.signal)
        return f"  killed by {name}{', out of memory' if ending.oom else ''}"
    return f"  exited with code {ending.code}" if ending.code is not None else ""
