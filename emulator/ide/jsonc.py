"""JSON with comments, as VS Code and Zed read it: a tree that knows where each part of the text stands."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from msgspec import Struct

from emulator.ide.problems import Unreadable, at

# Deeper than any file of an editor; a hostile one must not exhaust Python's stack.
DEEPEST = 100

Kind = Literal["object", "array", "string", "number", "word"]

_BLANK = re.compile(r"[ \t\r\n\ufeff]+")
_STRING = re.compile(r'"(?:[^"\\\r\n]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.])")
_WORD = re.compile(r"(true|false|null)(?!\w)")
_WORDS = {"true": True, "false": False, "null": None}


class Node(Struct, frozen=True):
    """A value of the text between the offsets `start` and `end`.

    An object has `members`, an array `items`, anything else is its `value`. `comma` is the offset of the comma
    behind the last child, or -1.
    """

    kind: Kind
    start: int
    end: int
    value: Any = None
    members: tuple[Member, ...] = ()
    items: tuple[Node, ...] = ()
    comma: int = -1

    def member(self, key: str) -> Member | None:
        """The member of this name; of several the last, which is the one that counts for editors."""
        return next((member for member in reversed(self.members) if member.key == key), None)

    def plain(self) -> Any:
        """The value as `json.loads` would give it."""
        if self.kind == "object":
            return {member.key: member.value.plain() for member in self.members}
        return [item.plain() for item in self.items] if self.kind == "array" else self.value


class Member(Struct, frozen=True):
    """One `"key": value` of an object; `start` is where the key begins."""

    key: str
    start: int
    value: Node


def parse(text: str) -> Node | None:
    """The tree of a file, or None where it has nothing but blanks and comments.

    Comments, and a comma behind the last child, are allowed. Raises `Unreadable` with line and column.
    """
    reader = _Reader(text)
    reader.skip()
    if reader.ended():
        return None
    root = reader.value(0)
    reader.skip()
    if not reader.ended():
        raise at(text, reader.offset, "there is something behind the end of the value")
    return root


class _Reader:
    """Goes through the text once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.offset = 0

    def ended(self) -> bool:
        return self.offset == len(self._text)

    def skip(self) -> None:
        """Pass blanks and comments."""
        while True:
            start = self.offset
            if blank := _BLANK.match(self._text, self.offset):
                self.offset = blank.end()
            if self._text.startswith("//", self.offset):
                self.offset = _line_end(self._text, self.offset)
            elif self._text.startswith("/*", self.offset):
                end = self._text.find("*/", self.offset + 2)
                if end < 0:
                    raise self._wrong("the comment has no end")
                self.offset = end + 2
            if self.offset == start:
                return

    def value(self, depth: int) -> Node:
        """The value that begins here."""
        if depth > DEEPEST:
            raise self._wrong("is nested too deeply")
        match self._text[self.offset : self.offset + 1]:
            case "{":
                return self._object(depth)
            case "[":
                return self._array(depth)
            case '"':
                return self._string()
            case _:
                return self._number_or_word()

    def _object(self, depth: int) -> Node:
        start, members, comma = self.offset, list[Member](), -1
        self._pass()
        while not self._closes("}", start):
            if members and comma < 0:
                raise self._wrong("a comma is missing before this")
            key = self._string()
            self.skip()
            if self._here() != ":":
                raise self._wrong("a colon is missing before this")
            self._pass()
            members.append(Member(key.value, key.start, self.value(depth + 1)))
            comma = self._comma()
        return Node("object", start, self._pass(), members=tuple(members), comma=comma)

    def _array(self, depth: int) -> Node:
        start, items, comma = self.offset, list[Node](), -1
        self._pass()
        while not self._closes("]", start):
            if items and comma < 0:
                raise self._wrong("a comma is missing before this")
            items.append(self.value(depth + 1))
            comma = self._comma()
        return Node("array", start, self._pass(), items=tuple(items), comma=comma)

    def _comma(self) -> int:
        self.skip()
        if self._here() != ",":
            return -1
        return self._pass() - 1

    def _closes(self, bracket: str, start: int) -> bool:
        self.skip()
        if self.ended():
            raise at(self._text, start, f"there is no {bracket} to this")
        return self._here() == bracket

    def _here(self) -> str:
        return self._text[self.offset : self.offset + 1]

    def _pass(self) -> int:
        """Pass one character and what may be skipped behind it; the offset behind the character."""
        self.offset += 1
        behind = self.offset
        self.skip()
        return behind

    def _string(self) -> Node:
        found = _STRING.match(self._text, self.offset)
        if found is None and self._here() == '"':
            raise self._wrong("the text is not closed, or has a wrong escape")
        if found is None:
            raise self._wrong("a text in double quotes is expected here")
        return self._leaf("string", found, json.loads(found.group(), strict=False))

    def _number_or_word(self) -> Node:
        if found := _NUMBER.match(self._text, self.offset):
            return self._leaf("number", found, _number(found.group()))
        if found := _WORD.match(self._text, self.offset):
            return self._leaf("word", found, _WORDS[found.group()])
        raise self._wrong("a value is expected here")

    def _leaf(self, kind: Kind, found: re.Match[str], value: Any) -> Node:
        self.offset = found.end()
        return Node(kind, found.start(), found.end(), value)

    def _wrong(self, what: str) -> Unreadable:
        return at(self._text, self.offset, what)


def _number(text: str) -> int | float:
    """Python refuses integers of some thousand digits; such a number only has to be kept."""
    return int(text) if len(text) < 20 and text.lstrip("-").isdigit() else float(text)


def _line_end(text: str, offset: int) -> int:
    """Where the line ends, its line break left out."""
    ends = (found for mark in "\r\n" if (found := text.find(mark, offset)) >= 0)
    return min(ends, default=len(text))
