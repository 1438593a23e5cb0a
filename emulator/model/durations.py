"""Lengths of time as people write them: `250ms`, `6m`, `1h30m`."""

from __future__ import annotations

import re

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+) *(ms|s|min|m|h|d)(?![a-z]) *")
# Enough for every timer of FC's, the longest of which lasts a week (platform.md §5).
LONGEST = 366 * 86_400.0


def read_duration(text: str) -> float:
    """Seconds. Raises `ValueError`, whose text says what is wrong, for what is none, or longer than a year."""
    rest, seconds = text.strip(), 0.0
    if not rest:
        raise ValueError("a duration is missing")
    while rest:
        found = _PART.match(rest)
        if found is None:
            raise ValueError(f"{text!r} is no duration: write a number and its unit, such as 250ms, 90s, 6m or 1h30m")
        seconds += float(found[1]) * UNITS[found[2]]
        rest = rest[found.end() :]
    if seconds > LONGEST:
        raise ValueError(f"{text!r} is more than a year")
    return seconds


def show_duration(seconds: float) -> str:
    """As people write it, to three places or so: `3.2 ms`, `1.25 s`, `6m`, `1h 30m`."""
    if seconds < 0:
        return f"-{show_duration(-seconds)}"
    if seconds < 0.0009995:
        return f"{seconds * 1000:.2f} ms" if seconds else "0 ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    parts = []
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, whole = divmod(whole, length)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts)
