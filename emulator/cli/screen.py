"""The first screen of `start`: at most twelve lines, however many functions there are."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from emulator import __version__
from emulator.cli.terminal import Paint, columns, cut
from emulator.model.function import Function, Problem, Project, TriggerType
from emulator.sandbox.base import Finding

SCREEN_LINES = 12
TRIGGER_CELLS = 40
DAY = 86_400.0
# Beside the functions: title, blank, blank, help.
OTHER_LINES = 4


class Shown(Struct, frozen=True):
    """One function as the screen has it. `walls` names the rung it runs in, or says why it does not run."""

    function: Function
    url: str
    walls: str


def first_screen(
    url: str,
    debug_ports: tuple[int, int],
    project: Project,
    functions: Sequence[Shown],
    paint: Paint,
    width: int,
    *,
    console: bool,
    timers_since: float | None = None,
) -> list[str]:
    """URL, trigger, runtime, limits and walls of each function; what does not fit is summed up.

    `debug_ports` are those for editors, and for editors of Node.js, which are shown where a function needs them;
    `console` says whether there is one; `timers_since` is the Unix time since which timers invoke, None where none do.
    """
    where = f"  {project.file.name}" if project.file else ""
    domains = _domains(project, url.rpartition(":")[2], width)
    rows = _functions(functions, SCREEN_LINES - OTHER_LINES - len(domains), width, timers_since)
    behind = paint("dim", f"{where}  debug {_debug_ports(functions, *debug_ports)}")
    last = _help(functions, f"{url}/_console" if console else "")
    return [title(url, paint) + behind, "", *rows, *domains, "", paint("dim", last)]


def _debug_ports(functions: Sequence[Shown], port: int, node_port: int) -> str:
    """A custom runtime may be a program of either kind."""
    runtimes = [each.function.runtime for each in functions]
    node = f"127.0.0.1:{node_port} (Node.js)" if any(it.startswith(("nodejs", "custom")) for it in runtimes) else ""
    other = f"127.0.0.1:{port}" if not all(it.startswith("nodejs") for it in runtimes) else ""
    return ", ".join(filter(None, (other, node)))


def title(url: str, paint: Paint) -> str:
    """The first words of the first line. Tasks of editors wait for them (ide/vscode.py)."""
    return f"{paint('bold', 'fclocal')} {__version__}  {paint('green', url)}"


def _domains(project: Project, port: str, width: int) -> list[str]:
    """Custom domains in one line: as URLs where their names lead to this machine."""
    names = dict.fromkeys(domain.name for domain in project.domains)
    shown = [f"http://{name}:{port}/" if name.endswith(".localhost") else name for name in names]
    return [cut(f"  domains: {', '.join(shown)}", width)] if shown else []


def _functions(functions: Sequence[Shown], room: int, width: int, since: float | None) -> list[str]:
    first = functions if len(functions) <= room else functions[: room - 1]
    lines = [cut("  " + line, width) for line in columns([_row(each, since) for each in first])]
    rest = functions[len(first) :]
    return [*lines, cut(f"  … and {len(rest)} more: {_sum_up(rest)}", width)] if rest else lines


def _row(each: Shown, since: float | None) -> tuple[str, ...]:
    function = each.function
    shown = _triggers(function, since)
    return (str(function.name), shown, each.url, function.runtime, limits(function), each.walls)


def _triggers(function: Function, since: float | None) -> str:
    """With the next time of each timer, the soonest first, and behind them those that never come."""
    timers = [it for it in function.triggers if it.type is TriggerType.TIMER]
    if since is None or not timers:
        return triggers(function)
    dues = [(it.schedule.after(since, since) if it.schedule is not None else None, it.name) for it in timers]
    dues.sort(key=lambda it: it[0] or math.inf)
    times = [f"{name} {_when(due, since) if due is not None else 'off'}" for due, name in dues]
    return cut(f"{triggers(function)} {', '.join(times)}", TRIGGER_CELLS)


def _when(moment: float, now: float) -> str:
    """In local time, as briefly as it can be told."""
    local = time.localtime(moment)
    clock = time.strftime("%H:%M:%S" if local.tm_sec else "%H:%M", local)
    if moment - now < DAY:
        return clock
    return f"{time.strftime('%a' if moment - now < 7 * DAY else '%Y-%m-%d', local)} {clock}"


def triggers(function: Function) -> str:
    """Kinds of trigger, as FC calls them; a function without any is called by its event."""
    return "+".join(dict.fromkeys(t.type.value for t in function.triggers)) or "event"


def limits(function: Function) -> str:
    """Memory, CPU, timeout, and concurrency where it is not 1."""
    parts = [f"{function.memory_mb} MB", f"{function.cpu:g} CPU", f"{function.timeout:g} s"]
    if function.instance_concurrency > 1:
        parts.append(f"×{function.instance_concurrency}")
    return " ".join(parts)


def _sum_up(functions: Sequence[Shown]) -> str:
    counts = Counter(triggers(each.function) for each in functions)
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common(6))


def _help(functions: Sequence[Shown], console: str) -> str:
    name = str(functions[0].function.name) if functions else "FUNCTION"
    quoted = f"'{name}'" if "$" in name else name
    pages = f"Console: {console}. " if console else ""
    return f"Ctrl-C stops. {pages}Call: fclocal invoke {quoted} -e '{{}}'"


def problem_lines(problems: Iterable[Problem], findings: Iterable[Finding], paint: Paint) -> list[str]:
    """What the user should know of the project and of this machine, each once."""
    texts = [str(problem) for problem in problems]
    texts += [str(finding) for finding in findings if not finding.full]
    return [paint("yellow", f"! {text}") for text in dict.fromkeys(texts)]
