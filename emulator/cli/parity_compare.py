"""Two answers to one event, and two looks inside: what differs (pure).

What differs from call to call is made equal first, and told: ids, times, durations, addresses of memory.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from emulator.debug.postmortem.redact import HIDDEN, Redaction
from emulator.model import headers as h
from emulator.sandbox.inside import Inside

ABSENT = "absent"
# Of the emulator itself, and of each call (runtime-contract.md §5.2). A body is compared with its bytes.
VOLATILE_HEADERS = frozenset(
    {
        h.REQUEST_ID,
        "x-fc-instance-id",
        "x-fc-invocation-duration",
        "x-fc-max-memory-usage",
        h.LOG_RESULT,
        h.COLD_START,
        "date",
        "content-length",
    }
)
# Seconds, or milliseconds, since 1970, of these decades.
_EPOCH = r"1[6-9]\d{8}(?:\d{3}|\.\d+)?"
# What is made equal in texts: what it is called, and what it looks like.
_VOLATILE = (
    ("times", rf"(?<![\w.]){_EPOCH}(?![\w.])", "<time>"),
    ("times", r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?", "<time>"),
    ("ids", r"\b(?:[1c]-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{12}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b", "<id>"),
    ("durations", r"\b\d+(?:\.\d+)? ?ms\b", "<duration>"),
    ("addresses of memory", r"\b0x[0-9a-f]{6,16}\b", "<address>"),
)
_PATTERNS = tuple((name, re.compile(pattern), word) for name, pattern, word in _VOLATILE)
_IS_TIME = re.compile(_EPOCH)
_MOST_TEXT = 200
_DEEPEST = 100
_OURS = "FCLOCAL_"
# Of the shell that asks, and of bubblewrap and the engine around it.
_SHELLS = frozenset({"PWD", "OLDPWD", "SHLVL", "_"})


class Answer(Struct, frozen=True):
    """What came of one event in one kind of walls. `headers` have lower-case names; `known` are this call's own ids
    and addresses, with what each is called."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    log: Sequence[str] = ()
    known: Mapping[str, str] = {}


class Look(Struct, frozen=True):
    """What is seen in an instance, and what is `known` of it; `failure` says why nothing could be seen."""

    inside: Inside
    known: Mapping[str, str] = {}
    failure: str = ""


class Difference(Struct, frozen=True):
    """Where, and what either walls have there."""

    where: str
    process: str
    container: str


class Compared(Struct, frozen=True):
    """All differences, and what was not compared."""

    differences: Sequence[Difference]
    left_out: Sequence[str]


class Equalizer:
    """Makes equal what differs from call to call, and remembers what that was."""

    def __init__(self) -> None:
        self.met: dict[str, None] = {}

    def text(self, text: str, known: Mapping[str, str]) -> str:
        for value, name in known.items():
            if value and value in text:
                text = text.replace(value, f"<{name}>")
                self.met[f"{name}s"] = None
        for name, pattern, word in _PATTERNS:
            text, count = pattern.subn(word, text)
            if count:
                self.met[name] = None
        return text

    def value(self, value: Any, known: Mapping[str, str]) -> Any:
        """As `text`, for all texts of what was JSON, and numbers that are times."""
        if isinstance(value, str):
            return self.text(value, known)
        if isinstance(value, list):
            return [self.value(item, known) for item in value]
        if isinstance(value, dict):
            return {key: self.value(item, known) for key, item in value.items()}
        return self.text(text, known) if _IS_TIME.fullmatch(text := json.dumps(value)) else value


def compare(process: Answer, container: Answer, hide: Redaction) -> Compared:
    """The two answers to one event."""
    equal = Equalizer()
    found = [*_status(process, container), *_headers(process, container, equal, hide)]
    found += _bodies(process, container, equal, hide)
    found += _logs(process, container, equal, hide)
    headers = sorted({*process.headers, *container.headers} & VOLATILE_HEADERS)
    return Compared(found, (*(f"header {name}" for name in headers), *equal.met))


def compare_inside(process: Look, container: Look, hide: Redaction) -> Compared:
    """What is seen in either walls."""
    equal = Equalizer()

    def both(what: Callable[[Inside], Mapping[str, str]]) -> list[dict[str, str]]:
        sides = (process, container)
        return [{name: equal.text(text, it.known) for name, text in what(it.inside).items()} for it in sides]

    facts = both(lambda inside: inside.facts)
    variables = both(lambda inside: _theirs(inside.environment))
    found = [*_mappings("", *facts), *(_hidden(it, "env ", hide) for it in _mappings("env ", *variables))]
    return Compared(found, (f"variables {_OURS}*", *equal.met))


def _theirs(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {k: v for k, v in environment.items() if not k.startswith(_OURS) and k not in _SHELLS}


def _hidden(it: Difference, prefix: str, hide: Redaction) -> Difference:
    name = it.where.removeprefix(prefix)
    return Difference(it.where, shown(hide, name, it.process), shown(hide, name, it.container))


def _status(process: Answer, container: Answer) -> Iterator[Difference]:
    if process.status != container.status:
        yield Difference("status", str(process.status), str(container.status))


def _headers(process: Answer, container: Answer, equal: Equalizer, hide: Redaction) -> Iterator[Difference]:
    sides = [
        {name: equal.text(value, it.known) for name, value in it.headers.items() if name not in VOLATILE_HEADERS}
        for it in (process, container)
    ]
    for it in _mappings("header ", *sides):
        yield _hidden(it, "header ", hide)


def _mappings(prefix: str, process: Mapping[str, str], container: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted({*process, *container}):
        one, other = process.get(name, ABSENT), container.get(name, ABSENT)
        if one != other:
            yield Difference(prefix + name, one, other)


def _bodies(process: Answer, container: Answer, equal: Equalizer, hide: Redaction) -> Iterator[Difference]:
    if process.body == container.body:
        return
    one, other = _text(process.body), _text(container.body)
    if one is None or other is None:
        yield Difference("body", _digest(process.body), _digest(container.body))
        return
    here, there = _json(one), _json(other)
    if isinstance(here, dict | list) and isinstance(there, dict | list):
        values = [equal.value(it, answer.known) for it, answer in ((here, process), (there, container))]
        yield from _values("body $", values[0], values[1], hide, "")
    else:
        texts = [equal.text(it, answer.known).splitlines() for it, answer in ((one, process), (other, container))]
        yield from _lines("body", texts[0], texts[1], hide)


def _logs(process: Answer, container: Answer, equal: Equalizer, hide: Redaction) -> Iterator[Difference]:
    one, other = ([equal.text(line, it.known) for line in it.log] for it in (process, container))
    yield from _lines("log", one, other, hide)


def _values(where: str, one: Any, other: Any, hide: Redaction, name: str) -> Iterator[Difference]:
    """Down to the smallest values that differ. What lies below a secret name is secret too."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            inner = name if name and hide.level(name) else key
            yield from _values(f"{where}.{key}", one.get(key, _MISSING), other.get(key, _MISSING), hide, inner)
    elif isinstance(one, list) and isinstance(other, list):
        for i in range(max(len(one), len(other))):
            here, there = (it[i] if i < len(it) else _MISSING for it in (one, other))
            yield from _values(f"{where}[{i}]", here, there, hide, name)
    elif one != other or type(one) is not type(other):
        yield Difference(where, _value(one, hide, name), _value(other, hide, name))


_MISSING = object()


def _value(value: Any, hide: Redaction, name: str) -> str:
    if value is _MISSING:
        return ABSENT
    if isinstance(value, str):
        text = shown(hide, name, value)
        return text if text == HIDDEN else json.dumps(text, ensure_ascii=False)
    text = json.dumps(value, ensure_ascii=False)
    return shown(hide, name, text)


def _lines(where: str, one: Sequence[str], other: Sequence[str], hide: Redaction) -> Iterator[Difference]:
    """Lines in the one that are not in the other, next to each other where both have some in one place."""
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=len(one) + len(other) > 2000)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag != "equal":
            for k in range(max(i_end - i, j_end - j)):
                left = one[i + k] if i + k < i_end else None
                right = other[j + k] if j + k < j_end else None
                number = i + k if left is not None else j + k
                yield Difference(f"{where} line {number + 1}", _line(left, hide), _line(right, hide))


def _line(text: str | None, hide: Redaction) -> str:
    return ABSENT if text is None else shown(hide, "", text)


def shown(hide: Redaction, name: str, text: str) -> str:
    """A value as it may be printed: without secrets, and not endless."""
    if text == ABSENT:
        return text
    text = HIDDEN if name and hide.hides_text(hide.level(name), text) else hide.text(text)
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}… ({len(text)} characters)"


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _json(text: str) -> Any:
    """None where it is none, or nested deeper than anybody compares."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if _depth(text) <= _DEEPEST else None


def _depth(text: str) -> int:
    """At most this deep: brackets in texts are counted too."""
    deep = deepest = 0
    for char in text:
        if char in "[{":
            deep += 1
            deepest = max(deepest, deep)
        elif char in "]}":
            deep -= 1
    return deepest


def _digest(data: bytes) -> str:
    return f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()[:16]}"
