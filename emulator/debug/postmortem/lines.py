"""Recorded values in one line, as Python would write them, and where their frames' files are on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from emulator.debug.postmortem.bundle import PostMortem, Value

BRACKETS = {"list": ("[", "]"), "tuple": ("(", ")"), "set": ("{", "}"), "dict": ("{", "}"), "object": ("(", ")")}


def one_line(value: Value, width: int = 200) -> str:
    """The value in about `width` characters; what is left out is an ellipsis, or a number of further entries."""
    if value.redacted or not value.form:
        note = f" ({value.length} in all)" if value.length else ""
        return cut(value.text, width) + note
    opening, closing = BRACKETS[value.form]
    name = short_type(value.type) if value.form == "object" else ""
    if value.form == "object" and value.text:
        return cut(f"{name} {value.text}" if not value.text.startswith("<") else value.text, width)
    inner = _inner(value, max(width - len(name) - 2, 10))
    trailing = "," if value.form == "tuple" and value.count == 1 else ""
    return f"{name}{opening}{inner}{trailing}{closing}"


def _inner(value: Value, room: int) -> str:
    parts: list[str] = []
    used = 0
    for child in value.children:
        text = _labelled(value, child, one_line(child, max(room - used, 10)))
        if parts and used + len(text) > room:
            break
        parts.append(text)
        used += len(text) + 2
    left = max(value.count, len(value.children)) - len(parts)
    if left > 0:
        parts.append(f"… {left} more" if parts else f"… {left}")
    return ", ".join(parts)


def _labelled(parent: Value, child: Value, text: str) -> str:
    if parent.form == "dict":
        return f"{child.name}: {text}"
    return f"{child.name}={text}" if parent.form == "object" else text


def short_type(name: str) -> str:
    """`index.User` → `User`."""
    return name.rpartition(".")[2]


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 1, 1)]}…"


def source_lines(bundle: PostMortem, file: str) -> dict[int, str]:
    """Line number → text of what was kept of a file."""
    pieces = bundle.dump.sources.get(file, ())
    return {number: line for first, text in pieces for number, line in enumerate(text.splitlines(), first)}


def host_path(bundle: PostMortem, file: str) -> Path:
    """Where a file of the instance's is on this machine."""
    target = bundle.code_target.rstrip("/")
    if bundle.code_dir and target and file.startswith(f"{target}/"):
        return Path(bundle.code_dir, file[len(target) + 1 :])
    return Path(file)


def is_unchanged(kept: Iterable[tuple[int, str]], path: Path, hidden: str) -> bool:
    """Whether the file on this machine is still what ran; lines in which something was hidden can not tell."""
    try:
        now = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    for first, text in kept:
        for number, line in enumerate(text.splitlines(), first):
            if number > len(now) or (line != now[number - 1] and hidden not in line):
                return False
    return True
