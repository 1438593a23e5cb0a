"""What somebody may have meant who wrote a name that there is not."""

from __future__ import annotations

from collections.abc import Iterable

ALIKE = 0.6


def similar(word: str, known: Iterable[str], count: int = 1, alike: float = ALIKE) -> list[str]:
    """At most `count` of the known words, the nearest first; `alike` is from 0 to 1."""
    from difflib import get_close_matches  # for errors alone: it would take a hundredth of each start

    return get_close_matches(word, list(known), count, alike)


def likeness(one: str, other: str) -> float:
    """From 0 to 1."""
    from difflib import SequenceMatcher  # as above

    return SequenceMatcher(None, one, other).ratio()
