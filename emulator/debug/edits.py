"""Where lines of a file went when it was edited (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

# Comparing takes a time that grows with the square of it: of more lines than this all are taken as written anew.
MOST_LINES = 5000


def moved(before: str, after: str, lines: Sequence[int]) -> list[int]:
    """Each line of `before`, counted from 1, as the line of `after` that holds what it held; one that is not there any
    more as the line that has come into its place."""
    old, new = before.splitlines(), after.splitlines()
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    blocks = [(0, 0, head), *_blocks(old, new, head, tail), (len(old) - tail, len(new) - tail, tail)]
    return [_moved(line - 1, blocks, len(new)) + 1 for line in lines]


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines are the same from the beginning on."""
    both = zip(one, other, strict=False)
    return next((index for index, (a, b) in enumerate(both) if a != b), min(len(one), len(other)))


def _blocks(old: Sequence[str], new: Sequence[str], head: int, tail: int) -> list[tuple[int, int, int]]:
    """Between what is alike at both ends: where pieces that stayed the same were, where they are, and their lengths."""
    a, b = old[head : len(old) - tail], new[head : len(new) - tail]
    if max(len(a), len(b)) > MOST_LINES:
        return []
    found = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return [(head + was, head + now, size) for was, now, size in found if size]


def _moved(line: int, blocks: Sequence[tuple[int, int, int]], count: int) -> int:
    """`blocks` are in the order of the file, and the last one ends with it; lines count from 0 here."""
    behind = 0
    for was, now, size in blocks:
        if line < was:  # rewritten, or removed
            return min(behind, max(0, count - 1))
        if line < was + size:
            return now + line - was
        behind = now + size
    was, now, size = blocks[-1]
    return now + line - was  # behind the end of the file, as it was before
