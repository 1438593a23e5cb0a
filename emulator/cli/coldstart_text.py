"""Cold starts for a terminal: the table of phases, a waterfall, the slowest imports and files, and advice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap

from emulator.cli.terminal import Paint, cell_width, cut, pad
from emulator.coldstart.bars import Bar, bars
from emulator.coldstart.evidence import Advice
from emulator.coldstart.page_cache import of_all
from emulator.coldstart.summary import DATA, KINDS, Figure, FileRow, Summary
from emulator.coldstart.units import mb, ms
from emulator.model.coldstart import ColdStart

WIDEST = 110
NARROWEST = 40
MOST_ROWS = 10
# Files of which less was read, in less time, are summed up.
LEAST_FILE_MS = 0.1
LEAST_FILE_BYTES = 64 * 1024
EIGHTHS = "▏▎▍▌▋▊▉█"
BAR_STYLES = {"phase": "cyan", "import": "green", "read": "magenta", "unnamed": "dim"}
INDENT = "  "


def report(summary: Summary, advice: Sequence[Advice], paint: Paint, width: int) -> str:
    """All of it; `width` in cells, of which no line takes more than a person reads."""
    width = max(NARROWEST, min(width, WIDEST))
    parts = (
        phase_table(summary, paint, width),
        waterfall(summary.typical_run, paint, width),
        import_table(summary, paint, width),
        file_table(summary, paint, width),
        advice_list(advice, paint, width),
    )
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


# --- phases ---


def phase_table(summary: Summary, paint: Paint, width: int) -> list[str]:
    """Each phase with median, p95 and spread; phases that took nothing are left out."""
    total = ("total", summary.total)
    phases = [(INDENT * (len(row.path) - 1) + row.path[-1], row.ms) for row in summary.phases if max(row.ms.values) > 0]
    rows = [_figures(name, figure) for name, figure in (total, *phases)]
    lines = _table(("ms", "median", "p95", "spread"), rows, paint, width)
    lines[1] = paint("bold", lines[1])
    return [*lines, *_remarks(summary, paint, width)]


def _figures(name: str, figure: Figure) -> tuple[str, ...]:
    return (name, ms(figure.median), ms(figure.p95), ms(figure.spread))


def _remarks(summary: Summary, paint: Paint, width: int) -> list[str]:
    runs = len(summary.runs)
    said = [f"{runs} cold start{'s' if runs > 1 else ''}, memory {summary.memory_mb:.0f} MB"]
    if summary.measuring.median > 0:
        said.append(f"measuring took {ms(summary.measuring.median)} ms, which is taken off")
    texts = [text for text in ("; ".join(said), of_all(summary.runs)) if text]
    lines = [paint("dim", line) for text in texts for line in _wrapped(text, width)]
    if summary.failed:
        failed = f"{len(summary.failed)} more failed: {summary.failed[-1]}"
        lines += [paint("yellow", line) for line in _wrapped(failed, width)]
    return lines


# --- waterfall ---


def waterfall(run: ColdStart, paint: Paint, width: int) -> list[str]:
    """The phases of one run as bars under each other, left to right in time."""
    rows = bars(run)
    names = max((cell_width(INDENT * bar.depth + bar.name) for bar in rows), default=0)
    names = min(names, width * 2 // 5)
    digits = max((len(ms(bar.duration_ms)) for bar in rows), default=0)
    space = max(10, width - names - digits - 2)
    whole = max([run.total_ms, *(bar.at_ms + bar.duration_ms for bar in rows if bar.kind != "unnamed")])
    title = f"{run.function} {run.instance_id}: {ms(run.total_ms)} ms"
    lines = [paint("bold", cut(title, width))]
    for bar in rows:
        name = pad(_cut_left(INDENT * bar.depth, bar.name, names), names)
        drawn = "" if bar.kind == "unnamed" else _drawn(bar, whole, space, paint)
        lines.append(f"{name} {ms(bar.duration_ms):>{digits}} {drawn}".rstrip())
    return lines


def _drawn(bar: Bar, whole_ms: float, space: int, paint: Paint) -> str:
    """At least a sliver, at most `space` cells, of which the last is drawn by eighths."""
    scale = space / whole_ms if whole_ms > 0 else 0.0
    before = min(int(bar.at_ms * scale), space - 1)
    eighths = min(round(bar.duration_ms * scale * 8), (space - before) * 8) or 1
    full, rest = divmod(eighths, 8)
    text = "█" * full + (EIGHTHS[rest - 1] if rest else "")
    return " " * before + paint(BAR_STYLES[bar.kind], text)


def _cut_left(indent: str, name: str, width: int) -> str:
    """A path keeps its end, which tells more than its beginning."""
    room = width - cell_width(indent)
    if cell_width(name) <= room or "/" not in name or room < 2:
        return cut(indent + name, width)
    while cell_width(name) > room - 1:
        name = name[1:]
    return f"{indent}…{name}"


# --- imports and files ---


def import_table(summary: Summary, paint: Paint, width: int) -> list[str]:
    """Packages by what they took with all that they imported, then modules by their own top level."""
    packages = [(row.name, ms(row.total_ms), ms(row.self_ms), str(row.modules)) for row in summary.packages[:MOST_ROWS]]
    if not packages:
        return []
    slowest = sorted(summary.imports, key=lambda row: (-row.self_ms, row.name))[:MOST_ROWS]
    modules = [(row.name, ms(row.total_ms), ms(row.self_ms), "") for row in slowest]
    head = _table(("package, ms", "with imports", "itself", "modules"), packages, paint, width)
    return [*head, "", *_table(("module, ms", "with imports", "itself", ""), modules, paint, width)]


def file_table(summary: Summary, paint: Paint, width: int) -> list[str]:
    """Files with what was read of them, and how much of it was in the page cache, where somebody looked. What programs
    are made of is summed up by kind."""
    data = [row for row in summary.files if row.kind == DATA]
    large = [row for row in data if row.busy_ms >= LEAST_FILE_MS or row.read + row.mapped >= LEAST_FILE_BYTES]
    rows = [_file(row.path, f"{row.times}×", [row]) for row in large[:MOST_ROWS]]
    groups = [(f"of {kind}", [row for row in summary.files if row.kind == kind]) for kind in KINDS]
    for what, files in (("more", [row for row in data if row not in large[:MOST_ROWS]]), *groups):
        if files:
            rows.append(_file(f"({len(files)} {what})", "", files))
    return _table(("file", "MB", "read", "opened", "ms", "cached"), rows, paint, width) if rows else []


def _file(name: str, opened: str, files: Sequence[FileRow]) -> tuple[str, ...]:
    size, read = sum(it.size for it in files), sum(it.read + it.mapped for it in files)
    cached = [it.cached for it in files if it.cached is not None]
    busy = sum(it.busy_ms for it in files)
    return (name, mb(size), mb(read), opened, ms(busy), mb(sum(cached)) if cached else "")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], paint: Paint, width: int) -> list[str]:
    """The first column to the left, where a name that is too long loses its middle part; figures to the right."""
    rows = [tuple(head), *(tuple(row) for row in rows)]
    wide = [max(map(cell_width, cells)) for cells in zip(*rows, strict=True)]
    wide[0] = max(8, min(wide[0], width - sum(wide[1:]) - 2 * len(wide[1:])))
    lines = []
    for row in rows:
        indent = row[0][: len(row[0]) - len(row[0].lstrip(" "))]
        name = pad(_cut_left(indent, row[0].lstrip(" "), wide[0]), wide[0])
        figures = (" " * (space - cell_width(cell)) + cell for cell, space in zip(row[1:], wide[1:], strict=True))
        lines.append("  ".join([name, *figures]).rstrip())
    return [paint("dim", lines[0]), *lines[1:]]


# --- advice ---


def advice_list(advice: Sequence[Advice], paint: Paint, width: int) -> list[str]:
    """What could be made of it, the largest saving first, each with what it stands on and how to try it."""
    lines: list[str] = []
    for number, item in enumerate(advice, 1):
        saving = f" ({'up to ' if item.at_most else ''}{ms(item.saving_ms)} ms)" if item.saving_ms > 0 else ""
        lines += [paint("bold", line) for line in _wrapped(f"{number}. {item.title.en}{saving}", width)]
        lines += [f"   {line}" for text in item.evidence for line in _wrapped(text.en, width - 3)]
        lines += [f"   {paint('cyan', item.command)}"] if item.command else []
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    """Paths and options stay whole: they are copied."""
    return wrap(text, width, break_long_words=False, break_on_hyphens=False)
