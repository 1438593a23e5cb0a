"""The first screen of `start`: at most twelve lines, however many functions there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emulator import __version__
from emulator.cli.terminal import Paint, columns, cut
from emulator.model.function import Function, Problem, Project
from emulator.sandbox.base import Finding

SCREEN_LINES = 12
# Beside the functions: title, blank, blank, help.
OTHER_LINES = 4


@dataclass(frozen=True, slots=True)
class Shown:
    """One function as the screen has it. `walls` names the rung it runs in, or says why it does not run."""

    function: Function
    url: str
    walls: str


def first_screen(url: str, project: Project, functions: Sequence[Shown], paint: Paint, width: int) -> list[str]:
    """URL, trigger, runtime, limits and walls of each function; what does not fit is summed up."""
    where = f"  {project.file.name}" if project.file else ""
    title = f"{paint('bold', 'fclocal')} {__version__}  {paint('green', url)}{paint('dim', where)}"
    domains = _domains(project, url.rpartition(":")[2], width)
    rows = _functions(functions, SCREEN_LINES - OTHER_LINES - len(domains), width)
    return [title, "", *rows, *domains, "", paint("dim", _help(functions))]


def _domains(project: Project, port: str, width: int) -> list[str]:
    """Custom domains in one line: as URLs where their names lead to this machine."""
    names = dict.fromkeys(domain.name for domain in project.domains)
    shown = [f"http://{name}:{port}/" if name.endswith(".localhost") else name for name in names]
    return [cut(f"  domains: {', '.join(shown)}", width)] if shown else []


def _functions(functions: Sequence[Shown], room: int, width: int) -> list[str]:
    first = functions if len(functions) <= room else functions[: room - 1]
    lines = [cut("  " + line, width) for line in columns([_row(each) for each in first])]
    rest = functions[len(first) :]
    return [*lines, cut(f"  … and {len(rest)} more: {_sum_up(rest)}", width)] if rest else lines


def _row(each: Shown) -> tuple[str, ...]:
    function = each.function
    return (str(function.name), triggers(function), each.url, function.runtime, limits(function), each.walls)


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


def _help(functions: Sequence[Shown]) -> str:
    name = str(functions[0].function.name) if functions else "FUNCTION"
    quoted = f"'{name}'" if "$" in name else name
    return f"Ctrl-C stops. In another terminal: fclocal invoke {quoted} -e '{{}}'"


def problem_lines(problems: Iterable[Problem], findings: Iterable[Finding], paint: Paint) -> list[str]:
    """What the user should know of the project and of this machine, each once."""
    texts = [str(problem) for problem in problems]
    texts += [str(finding) for finding in findings if not finding.full]
    return [paint("yellow", f"! {text}") for text in dict.fromkeys(texts)]
