"""Journal events as the lines that a person reads: FC's own lines verbatim, ours marked with `fclocal:`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from emulator.cli.terminal import Paint, cell_width, cut, pad
from emulator.instance.messages import suffix
from emulator.model.events import (
    ClockAdvanced,
    Event,
    GpuHeld,
    HookEnded,
    HookStarted,
    ImageProgress,
    InstanceMoved,
    InstancePatched,
    InstancePaused,
    InstanceResumed,
    InstanceStarted,
    InstanceTraced,
    InstanceWrote,
    InvocationEnded,
    InvocationRejected,
    InvocationStarted,
    LogLine,
    Notice,
    PageCacheSeen,
    PatchRefused,
    PostMortemKept,
    RevisionDeployed,
    RevisionRefused,
    SessionUsed,
    Span,
    TaskMoved,
)
from emulator.model.function import LATEST
from emulator.model.inner_events import FilesRead, FreezeReport
from emulator.model.invocation import FunctionError, summary
from emulator.model.platform_events import MinimumChanged, TimerFired

# A program that prints FC's markers itself (runtime-contract.md §6.1): ours stand already, so its own are left out.
MARKER = re.compile(r"FC (?:Invoke|Initialize|PreStop|PreFreeze) (?:Start|End) RequestId: (\S+?)(?:,.*)?\r?\Z")
PREFIX_STYLES = ("cyan", "magenta", "blue", "green", "yellow")
PREFIX_CELLS = 24
LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3}
NUMBERS = re.compile(r"\d+")
PATHS_SHOWN = 5
NAMES_SHOWN = 8
# The interpreter's doing, not the function's.
PYTHON_CACHE = "/__pycache__/"
NOTICE_STYLES = {"warning": "yellow", "error": "red"}


class LogRenderer:
    """Turns batches of events into text.

    `functions` are all that may speak; where there are several, each line begins with its function's name. `level`
    is the least important level of our own messages that is shown; `hints` are for a person at a terminal only.
    """

    def __init__(self, paint: Paint, functions: Sequence[str], level: str = "info", *, hints: bool = False) -> None:
        self._paint = paint
        self._hints = hints
        self._level = LEVELS[level]
        self._prefixes: dict[str, str] = {}
        self.know(functions)
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
            ImageProgress: self._image,
            RevisionDeployed: self._deployed,
            RevisionRefused: self._refused,
            InstanceMoved: self._moved,
            InstancePaused: self._paused,
            InstanceResumed: self._resumed,
            GpuHeld: self._gpu,
            InstanceStarted: self._started_as,
            InstanceTraced: self._traced,
            InstanceWrote: self._wrote,
            InstancePatched: self._patched,
            PatchRefused: self._patch_refused,
            Span: self._span,
            PageCacheSeen: self._page_cache,
            FilesRead: self._files_read,
            FreezeReport: self._froze,
            TaskMoved: self._task,
            SessionUsed: self._session,
            PostMortemKept: self._kept,
            ClockAdvanced: self._advanced,
            TimerFired: self._timer,
            MinimumChanged: self._minimum,
        }

    def know(self, functions: Sequence[str]) -> None:
        """These are all that may speak from now on."""
        self._prefixes = _prefixes(functions, self._paint) if len(functions) > 1 else {}

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

    def _image(self, event: ImageProgress) -> list[str]:
        return [self._line(event.function, self._paint("dim", event.text))]

    def _notice(self, event: Notice) -> list[str]:
        about = f"{event.function}: " if event.function else ""
        return self._ours(about + event.message, event.level)

    def _deployed(self, event: RevisionDeployed) -> list[str]:
        if not event.total:
            return self._ours(f"{event.function} is now revision {event.revision}", "debug")
        what = event.files[0] if event.total == 1 else f"{event.total} files"
        did = "reloaded" if event.revision > 1 else "deployed"
        return self._ours(f"{did} {event.function} ({what}, revision {event.revision})")

    def _refused(self, event: RevisionRefused) -> list[str]:
        """What stays is said too: nobody should look for the new code in the answers."""
        where = f"{event.place}: " if event.place else ""
        stays = f"; revision {event.revision} stays" if event.revision else ""
        text = f"{event.function or 'the project'} was not reloaded{stays}: {where}{event.message}"
        lines = self._ours(text, "error")
        return lines + [self._paint("dim", f"    {line}") for line in event.source.splitlines()]

    def _moved(self, event: InstanceMoved) -> list[str]:
        why = f" ({event.reason})" if event.reason else ""
        text = f"{event.function}@r{event.revision} {event.instance_id} {event.before.value} → {event.after.value}{why}"
        return self._ours(text, "debug")

    def _paused(self, event: InstancePaused) -> list[str]:
        return self._ours(f"{event.function} {event.instance_id} is paused in the debugger", "debug")

    def _resumed(self, event: InstanceResumed) -> list[str]:
        text = f"{event.function} {event.instance_id} goes on after {event.paused_ms / 1000:.1f} s"
        return self._ours(text, "debug")

    def _gpu(self, event: GpuHeld) -> list[str]:
        level = {"idle": "info", "over": "warning"}.get(event.what, "debug")
        key = ("gpu", event.what, event.function)
        if event.what == "idle" and key in self._told:
            level = "debug"
        self._told.add(key)
        return self._ours(f"{event.function} {gpu_line(event)}", level)

    def _patched(self, event: InstancePatched) -> list[str]:
        rebuilt = [name for name, _ in event.rebuilt]
        parts = [
            f"{verb} {_names(names)}"
            for verb, names in (
                ("kept", event.kept),
                ("replaced", event.replaced),
                ("removed", event.removed),
                ("made again", rebuilt),
            )
            if names
        ]
        text = " · ".join(parts) or "nothing to replace"
        lines = self._ours(f"{event.function}: {text} ({event.duration_ms:.0f} ms)")
        for name, why in event.rebuilt:
            lines += self._ours(f"{event.function}: {name} was made again: {why}", "debug")
        return lines

    def _patch_refused(self, event: PatchRefused) -> list[str]:
        return self._ours(f"{event.function}: nothing is kept, the next start is cold: {event.reason}", "warning")

    def _started_as(self, event: InstanceStarted) -> list[str]:
        loaded = f", with {', '.join(event.packages)} loaded" if event.packages else ""
        text = f"{event.function}@r{event.revision} {event.instance_id} started by {event.start}{loaded}"
        return [*self._ours(text, "debug"), *(self._shares(event) if event.packages else ())]

    def _shares(self, event: InstanceStarted) -> list[str]:
        """What a person would take for the function's memory, told once (docs/zygote.md)."""
        key = ("shares", event.function)
        if key in self._told:
            return []
        self._told.add(key)
        shared = f"Max Memory Used of {event.function} leaves out from now on what its instances share"
        return self._ours(f"{shared} ({_names(event.packages)}); --cold faithful counts it")

    def _traced(self, event: InstanceTraced) -> list[str]:
        took = ", ".join(f"{name} {(end - begin) * 1000:.1f} ms" for name, begin, end in event.phases)
        return self._ours(f"{event.function} {event.instance_id} {took}; {len(event.imports)} imports", "debug")

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

    def _page_cache(self, event: PageCacheSeen) -> list[str]:
        from emulator.coldstart.page_cache import in_words  # few starts look at it

        image = f"; the files of the image {event.image[:19]} are the engine's, and stay" if event.image else ""
        return self._ours(f"{event.function} {event.instance_id}: {in_words(event.sizes)}{image}")

    def _files_read(self, event: FilesRead) -> list[str]:
        mb = sum(row.read for row in event.reads) / 1e6
        text = f"{event.function} {event.instance_id} read {mb:.1f} MB of {len(event.reads)} files"
        return self._ours(text, "debug")

    def _froze(self, event: FreezeReport) -> list[str]:
        """Told once for all instances that were doing the same, whatever numbers that has."""
        threads, processes = (f"thread {it}" for it in event.threads), (f"process {it}" for it in event.processes)
        parts = [*threads, *event.timers, *event.sockets, *processes]
        key = ("froze", event.function, *sorted({NUMBERS.sub("", part) for part in parts}))
        if key in self._told:
            return []
        self._told.add(key)
        head = f"{event.function} {event.instance_id} was frozen while this was running; Function Compute stops it too:"
        return [line for text in (head, *(f"  {part}" for part in parts)) for line in self._ours(text, "warning")]

    def _advanced(self, event: ClockAdvanced) -> list[str]:
        from emulator.model.durations import show_duration  # few emulators are moved ahead

        return self._ours(f"the platform's clock is {show_duration(event.ahead)} ahead", "debug")

    def _timer(self, event: TimerFired) -> list[str]:
        which = "" if event.qualifier in ("", LATEST) else f" ({event.qualifier})"
        text = f"timer `{event.trigger}` invoked {event.function}{which} for {event.trigger_time}: {event.request_id}"
        return self._ours(text)

    def _minimum(self, event: MinimumChanged) -> list[str]:
        why = f"by scheduled action `{event.action}`" if event.action else "its default: no scheduled action holds"
        instances = f"{event.target} instance{'s' if event.target != 1 else ''}"
        return self._ours(f"{event.function} has a minimum of {instances} now, {why}")

    def _kept(self, event: PostMortemKept) -> list[str]:
        return self._ours(f"post-mortem: fclocal postmortem {event.request_id}") if self._hints else []

    def _session(self, event: SessionUsed) -> list[str]:
        return self._ours(f"{event.function} {event.request_id} belongs to session {event.session_id}", "debug")

    def _task(self, event: TaskMoved) -> list[str]:
        return self._ours(f"{event.function} task {event.task_id} {event.state}, attempt {event.attempt}", "debug")


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


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
    """FC's summary line with three figures of ours behind it, and a fourth where it stood in the debugger."""
    figures = summary(event.duration_ms, event.memory_mb, event.memory_size_mb)
    how = f" ({event.start})" if event.start else ""
    cold = f"Cold: yes{how}, Init: {event.init_ms:.2f} ms" if event.cold else "Cold: no"
    paused = f", Paused: {event.paused_ms:.2f} ms" if event.paused_ms else ""
    return f"{figures}{_gpu_figures(event)}, {cold}, Instance: {event.instance_id}{paused}"


def _gpu_figures(event: InvocationEnded) -> str:
    if not event.gpu_memory_size_mb:
        return ""
    used = "not known" if event.gpu_memory_mb is None else f"{event.gpu_memory_mb:.2f} MB"
    return f", GPU Memory Size: {event.gpu_memory_size_mb} MB, Max GPU Memory Used: {used}"


def gpu_line(event: GpuHeld) -> str:
    """What an instance holds, and what that means for others."""
    cards = ", ".join(dict.fromkeys(event.cards))
    used = "an unknown part" if event.used_mb is None else f"{event.used_mb:.0f} MB"
    if event.what == "idle":
        return (
            f"{event.instance_id} is frozen and keeps {used} of its {event.size_mb} MB of {cards}, "
            f"as an idle GPU instance of FC does; {event.free_mb} MB are left for others"
        )
    if event.what == "over":
        return f"{event.instance_id} uses {used} of {cards}, and {event.size_mb} MB are its own"
    did = "holds" if event.what == "given" else "gave back"
    return f"{event.instance_id} {did} {event.size_mb} MB of {cards}; {event.free_mb} MB are left"


def _prefixes(functions: Sequence[str], paint: Paint) -> dict[str, str]:
    width = min(PREFIX_CELLS, max(map(cell_width, functions)))
    return {
        name: paint(PREFIX_STYLES[i % len(PREFIX_STYLES)], pad(cut(name, width), width) + " | ")
        for i, name in enumerate(functions)
    }
