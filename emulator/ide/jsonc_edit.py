"""Puts one entry into JSON with comments: what is outside of the entry keeps its bytes, its order and its comments."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from emulator.ide.jsonc import Member, Node, parse
from emulator.ide.problems import at

DEFAULT_INDENT = "    "  # VS Code's own, in files that it makes

_BREAK = re.compile(r"\r\n|\n|\r")
_BLANK_END = re.compile(r"[ \t\r\n]*\Z")
_INDENT = re.compile(r"[ \t]*")


class Entry(Struct, frozen=True):
    """An object that belongs into the array at `path` (of the root, where it is empty), known there by its `key`.

    `fixed` are the members that must be as in `value` also where the entry exists; the others are only what it begins
    with, and are the user's from then on. `around` is the root of a file that has none.
    """

    path: tuple[str, ...]
    key: str
    value: Mapping[str, Any]
    fixed: tuple[str, ...]
    around: Mapping[str, Any] | tuple[()] = ()


class _Style(Struct, frozen=True):
    """How the file breaks and indents its lines."""

    line_break: str
    unit: str

    def render(self, value: Any, indent: str) -> str:
        """The value as text, its first line without indent."""
        text = json.dumps(value, indent=self.unit, ensure_ascii=False)
        return text.replace("\n", self.line_break + indent)


def put(text: str, entry: Entry) -> str:
    """The text with the entry in it. Raises `Unreadable` where the file is broken, or has something else at `path`."""
    while (changed := _step(text, entry)) != text:
        text = changed
    return text


def _step(text: str, entry: Entry) -> str:
    """One edit, or none: each moves the offsets of what stands behind it."""
    node = parse(text)
    style = _style(text, node)
    if node is None:
        line_break = style.line_break if text.strip("\ufeff") and not text.endswith(("\n", "\r")) else ""
        return text + line_break + style.render(entry.around or [], "") + style.line_break
    for name in entry.path:
        _expect(text, node, "object", "the file")
        member = node.member(name)
        if member is None:
            return _append(text, node, style, [], name)
        node = member.value
    _expect(text, node, "array", f'"{entry.path[-1]}"' if entry.path else "the file")
    own = next((item for item in node.items if _is_own(item, entry)), None)
    if own is None:
        return _append(text, node, style, entry.value)
    return _merge(text, own, style, {name: entry.value[name] for name in entry.fixed})


def _expect(text: str, node: Node, kind: str, what: str) -> None:
    if node.kind != kind:
        raise at(text, node.start, f"{what} is no {kind}, so that nothing can be added to it")


def _is_own(item: Node, entry: Entry) -> bool:
    member = item.member(entry.key)
    return member is not None and member.value.kind == "string" and member.value.value == entry.value[entry.key]


def _merge(text: str, node: Node, style: _Style, wanted: Mapping[str, Any]) -> str:
    """Bring the first member that differs to its wanted value; members that nobody names stay."""
    for name, value in wanted.items():
        member = node.member(name)
        if member is None:
            return _append(text, node, style, value, name)
        if isinstance(value, Mapping) and member.value.kind == "object":
            changed = _merge(text, member.value, style, value)
            if changed != text:
                return changed
        elif not _same(member.value.plain(), value):
            return _replace(text, member, style, value)
    return text


def _same(found: Any, wanted: Any) -> bool:
    """Equal as JSON, where `1` is not `true`."""
    return json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True)


def _replace(text: str, member: Member, style: _Style, value: Any) -> str:
    rendered = style.render(value, _line_indent(text, member.start))
    return text[: member.value.start] + rendered + text[member.value.end :]


def _append(text: str, node: Node, style: _Style, value: Any, name: str = "") -> str:
    """Add a child behind the last one, and behind the comments that follow it."""
    children = [(item.start, item.end) for item in node.items]
    children += [(member.start, member.value.end) for member in node.members]
    last = children[-1][1] if children else node.start + 1
    comma = "," if children and node.comma < 0 else ""
    close = node.end - 1
    blank = _BLANK_END.search(text, last, close)
    assert blank is not None  # noqa: S101 - it matches nothing as well
    line_end = _BREAK.search(text, blank.start(), close)
    point = line_end.start() if line_end else blank.start()
    base = _line_indent(text, node.start)
    indent = next((found for start, _ in children if (found := _own_line_indent(text, start)) is not None), None)
    if indent is None:
        indent = base + style.unit
    added = style.line_break + indent + (f"{json.dumps(name)}: " if name else "") + style.render(value, indent)
    added += "," if node.comma >= 0 else ""
    added += "" if line_end else style.line_break + base
    return text[:last] + comma + text[last:point] + added + text[point:]


def _style(text: str, root: Node | None) -> _Style:
    first_break = _BREAK.search(text)
    starts = [] if root is None else [item.start for item in root.items] + [member.start for member in root.members]
    indents = (_own_line_indent(text, start) for start in starts)
    unit = next((indent for indent in indents if indent), DEFAULT_INDENT)
    return _Style(first_break.group() if first_break else "\n", unit)


def _line_start(text: str, offset: int) -> int:
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1


def _line_indent(text: str, offset: int) -> str:
    """The blanks that the line of this offset begins with."""
    found = _INDENT.match(text, _line_start(text, offset))
    return found.group() if found else ""


def _own_line_indent(text: str, offset: int) -> str | None:
    """The blanks before this offset where nothing else stands there in its line."""
    before = text[_line_start(text, offset) : offset]
    return before if not before.strip(" \t") else None
