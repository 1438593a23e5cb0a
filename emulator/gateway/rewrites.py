"""Rewrite rules of a custom domain's route (platform.md §8): exact, then wildcard, then regular expressions.

FC's expressions are RE2, which can not run away. Python's can, so an expression is refused that repeats a repetition,
and one is not tried on a path so long that the worst case would take noticeable time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from math import comb
from typing import Any

from msgspec import Struct

from emulator.model.function import RewriteRule

MAX_PATTERN = 512
MAX_PATH = 4096
# Steps of the matcher, in the worst case, that a request may cost.
MAX_STEPS = 10_000_000

Groups = Sequence[str]
_REFERENCE = re.compile(r"\$(?:(\d{1,2})|\{(\d{1,2})\})")


def rewrite(rules: Sequence[RewriteRule], target: str) -> str:
    """The target (raw path and query) after the first rule that matches; the caller's query is kept.

    The replacement stands for the whole path, also where only a part of it was matched (`/old` → `/new` turns
    `/test/old` into `/new` in FC's own example; for regular expressions the same is assumed, UNCONFIRMED).
    """
    path, _, query = target.partition("?")
    if len(path) > MAX_PATH:
        return target
    for kind, match in MATCHERS.items():
        for rule in rules:
            groups = match(rule.match, path) if rule.kind == kind else None
            if groups is not None:
                return _with_query(_expand(rule.replacement, groups) if kind != "exact" else rule.replacement, query)
    return target


def _exact(match: str, path: str) -> Groups | None:
    return () if match == path else None


def _wildcard(match: str, path: str) -> Groups | None:
    """`*` is any string, `^` the start of the path; without it the pattern may begin anywhere. Linear in both."""
    first, *parts = match.removeprefix("^").split("*")
    start = path.find(first)
    if start < 0 or (match.startswith("^") and not path.startswith(first)):
        return None
    end = (0 if match.startswith("^") else start) + len(first)
    groups: list[str] = []
    for number, part in enumerate(parts, 1):
        # An asterisk at the end takes all the rest, another one no more than it must.
        found = len(path) if part == "" and number == len(parts) else path.find(part, end)
        if found < 0:
            return None
        groups.append(path[end:found])
        end = found + len(part)
    return groups


def _regex(match: str, path: str) -> Groups | None:
    expression = compiled(match)
    if expression is None or expression.steps(len(path)) > MAX_STEPS:
        return None
    matched = expression.pattern.search(path)
    return None if matched is None else [group or "" for group in matched.groups()]


MATCHERS: dict[str, Callable[[str, str], Groups | None]] = {"exact": _exact, "wildcard": _wildcard, "regex": _regex}


class Expression(Struct, frozen=True):
    """A pattern, and what trying it can cost: its unbounded choices of a position, and its choices between few."""

    pattern: re.Pattern[str]
    repeats: int
    branches: int

    def steps(self, length: int) -> int:
        return comb(length + self.repeats, self.repeats) * self.branches


class _RunsAway(Exception):
    pass


@lru_cache(maxsize=512)
def compiled(match: str) -> Expression | None:
    """A regular expression ready to be tried; None where it is none, or one that could run away."""
    if len(match) > MAX_PATTERN:
        return None
    try:
        # Python's own parser, since a pattern's cost is a matter of its tree (`re._parser` since 3.11).
        tree = re._parser.parse(match)  # type: ignore[attr-defined]
        cost = _Cost()
        cost.walk(tree, repeated=False)
        return Expression(re.compile(match), cost.repeats + (not match.startswith("^")), cost.branches)
    except (re.error, RecursionError, OverflowError, _RunsAway):
        return None


class _Cost:
    """A walk over a parsed pattern."""

    def __init__(self) -> None:
        self.repeats = 0
        self.branches = 1

    def walk(self, tree: Iterable[tuple[Any, Any]], repeated: bool) -> None:
        for operator, value in tree:
            name = str(operator)
            if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
                least, most, inner = value
                self._repeat(int(least), int(most), inner, repeated)
            elif name == "BRANCH":
                self._branch(value[1], repeated)
            elif name == "SUBPATTERN":
                self.walk(value[3], repeated)
            elif name not in ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT", "CATEGORY", "RANGE"):
                # Back references and look-arounds: RE2 has none of them.
                raise _RunsAway(name)

    def _repeat(self, least: int, most: int, tree: Iterable[tuple[Any, Any]], repeated: bool) -> None:
        if repeated and most > 1:
            raise _RunsAway("a repetition inside of a repetition")
        if most - least > 1:
            self.repeats += 1
        elif most > least:
            self.branches *= 2
        self.walk(tree, repeated or most > 1)

    def _branch(self, alternatives: Sequence[Iterable[tuple[Any, Any]]], repeated: bool) -> None:
        if repeated:
            raise _RunsAway("alternatives inside of a repetition")
        self.branches *= len(alternatives)
        for alternative in alternatives:
            self.walk(alternative, repeated)


def _expand(replacement: str, groups: Groups) -> str:
    def group(reference: re.Match[str]) -> str:
        number = int(reference[1] or reference[2])
        return groups[number - 1] if 0 < number <= len(groups) else ""

    return _REFERENCE.sub(group, replacement)


def _with_query(path: str, query: str) -> str:
    if not path.startswith("/"):
        path = "/" + path
    if not query:
        return path
    return f"{path}{'&' if '?' in path else '?'}{query}"
