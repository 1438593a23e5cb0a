"""The calls of a step: read from the file, and when each of them is made (pure)."""

from __future__ import annotations

import re
from random import Random

from emulator.config.section import shown
from emulator.config.tree import Map, Node, Scalar
from emulator.model.durations import UNITS, show_duration
from emulator.model.function import HTTP_METHODS, Place
from emulator.scenario.fields import Fields, duration, fail, flag, no_unknown, text, whole, whole_value
from emulator.scenario.steps import Calls, Target

KEYS = (
    "n", "rate", "for", "concurrency", "function", "event", "event_file",
    "qualifier", "async", "path", "method", "headers", "timeout",
)  # fmt: skip
MOST_CALLS = 100_000
MOST_AT_ONCE = 10_000
_RATE = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*/\s*(s|m|min|h|d)(?:\s+(poisson))?\s*\Z")


def read_calls(fields: Fields, node: Node | None, place: Place, *, burst: bool = False) -> tuple[Calls, str]:
    """Those of a step `calls`, or of `burst`, and how they are shown."""
    name = "burst" if burst else "calls"
    if node is None or (not isinstance(node, Map) and not isinstance(node, Scalar)):
        fail(f"`{name}` needs a number", f"write `{name}: 20`", place)
    if isinstance(node, Scalar):
        n = whole_value(node, name, 1, MOST_CALLS)
        return Calls(
            Target(fields.chosen(place), fields.event_of(Map({}, place))), n, concurrency=0 if burst else 1
        ), f"{n}"
    no_unknown(
        node, KEYS if not burst else [key for key in KEYS if key not in ("rate", "for", "concurrency")], f"`{name}`"
    )
    target = read_target(fields, node, place)
    if burst:
        n = whole(node, "n", None, 1, MOST_CALLS)
        return Calls(target, n, concurrency=0), _shown(f"{n}", node, target)
    every, poisson = _rate(node)
    n = _count(node, every)
    concurrency = whole(node, "concurrency", 0 if every is not None else 1, 0, MOST_AT_ONCE)
    pace = f" at {text(rate, 'rate')}" if (rate := node.get("rate")) is not None else ""
    return Calls(target, n, every, poisson, concurrency), _shown(f"{n}{pace}", node, target)


def _shown(what: str, node: Map, target: Target) -> str:
    parts = [what, target.function if node.get("function") is not None else ""]
    parts.append(f"@{target.qualifier}" if target.qualifier else "")
    parts.append(target.path)
    return " ".join(part for part in parts if part)


def read_target(fields: Fields, node: Map, place: Place) -> Target:
    found = {key: text(it, f"`{key}`") for key in ("qualifier", "path", "method") if (it := node.get(key)) is not None}
    method = found.get("method", "").upper()
    if method and method not in HTTP_METHODS:
        fail(f"`{method}` is no method", f"use one of {', '.join(HTTP_METHODS)}", node.at("method"))
    timeout = node.get("timeout")
    if "qualifier" in found and any(node.get(key) is not None for key in ("path", "method", "headers")):
        # The trigger has a qualifier of its own (platform.md §4.2).
        fail("`qualifier` is of calls without an HTTP trigger", "leave out `qualifier`", node.at("qualifier"))
    return Target(
        fields.function(node, "") or fields.chosen(place),
        fields.event_of(node),
        found.get("qualifier", ""),
        flag(node, "async"),
        found.get("path", ""),
        method,
        _headers(node),
        None if timeout is None else _patience(timeout, place),
    )


def _patience(node: Node, place: Place) -> float:
    seconds = duration(node, "timeout", place)
    if not seconds:
        fail("`timeout` can not be 0", "leave it out to wait for as long as it takes", node.place)
    return seconds


def _headers(node: Map) -> tuple[tuple[str, str], ...]:
    found = node.get("headers")
    if found is None:
        return ()
    if not isinstance(found, Map):
        fail("`headers` must be a mapping", "write `headers: {Accept: text/event-stream}`", node.at("headers"))
    pairs = [(name, text(value, f"header {name}")) for name, value in found.entries.items()]
    for name, value in pairs:
        if not (name + value).isprintable() or not name or " " in name or ":" in name:
            fail(f"{name!r} is no header", "write `headers: {Name: value}`", found.at(name))
    return tuple(pairs)


def _rate(node: Map) -> tuple[float | None, bool]:
    found = node.get("rate")
    if found is None:
        return None, False
    match = _RATE.match(text(found, "`rate`"))
    if match is None or float(match[1]) <= 0:
        fail(f"`rate` can not be {shown(found)}", "write `rate: 5/s`, `30/m` or `5/s poisson`", found.place)
    return UNITS[match[2]] / float(match[1]), match[3] is not None


def _count(node: Map, every: float | None) -> int:
    length = node.get("for")
    if length is None:
        return whole(node, "n", None, 1, MOST_CALLS)
    if every is None or node.get("n") is not None:
        fail("`for` goes with `rate`, and without `n`", "write `calls: {rate: 5/s, for: 10s}`", node.at("for"))
    seconds = duration(length, "for", length.place)
    n = round(seconds / every)
    if not 1 <= n <= MOST_CALLS:
        what = f"{show_duration(seconds)} at this rate are {n} calls"
        fail(what, f"there must be from 1 to {MOST_CALLS}", length.place)
    return n


def gaps(calls: Calls, chance: Random) -> list[float]:
    """Seconds from each call to the next, before it; 0 where they have no rate."""
    if calls.every is None:
        return [0.0] * calls.n
    rest = (chance.expovariate(1 / calls.every) if calls.poisson else calls.every for _ in range(calls.n - 1))
    return [0.0, *rest]
