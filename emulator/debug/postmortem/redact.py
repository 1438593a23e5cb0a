"""Redaction by the emulator: a bundle holds more than an instance has seen, and an instance is not believed.

The table and the rules are those of the instance: one file, which each side loads (`redaction.py` of the bootstrap).
"""

from __future__ import annotations

import codecs
import functools
import importlib.util
import json
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any, Protocol, cast

from emulator.debug.postmortem.bundle import Dump, Event, Failure, PostMortem, Value, all_failures, all_frames
from emulator.runtime.spec import builtin_dir

RULES = "python/_fclocal_bootstrap/redaction.py"
HIDDEN = "<redacted>"
# What is read of an event; FC's own limit is 32 MB.
EVENT_BYTES = 64 * 1024
DEEPEST = 100


class Redaction(Protocol):
    """`Redaction` of `redaction.py`."""

    def level(self, name: str) -> int: ...

    def hides_text(self, level: int, text: str) -> bool: ...

    def text(self, text: str) -> str: ...

    def source(self, text: str) -> str: ...


@functools.cache
def _rules() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fclocal_redaction", builtin_dir() / RULES)
    assert spec is not None and spec.loader is not None  # noqa: S101 - it is part of this package
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def redaction(environment: Mapping[str, str], secrets: Iterable[str]) -> Redaction:
    """Rules that also know the values of `secrets`, and those of the variables whose names are secret."""
    rules = _rules()
    known = [*secrets, *rules.secrets_of(environment.items())]
    return cast(Redaction, rules.Redaction(known))


def redact(bundle: PostMortem, hide: Redaction) -> PostMortem:
    """The bundle, changed in place: nothing in it is left as it came."""
    bundle.what = hide.text(clean(bundle.what))
    bundle.log = [hide.text(clean(line)) for line in bundle.log]
    request = bundle.request
    request.target = hide.text(clean(request.target))
    request.headers = [(name, _by_name(hide, name, clean(value))) for name, value in request.headers]
    _redact_event(bundle.event, hide)
    _redact_dump(bundle.dump, hide)
    return bundle


def _redact_dump(dump: Dump, hide: Redaction) -> None:
    for failure in all_failures(dump.exceptions):
        _redact_failure(failure, hide)
    for frame in all_frames(dump):
        frame.file, frame.function = clean(frame.file), clean(frame.function)
        for value in (*frame.locals, *frame.globals):
            _redact_value(value, hide, 0)
    for thread in dump.threads:
        thread.name, thread.request = clean(thread.name), clean(thread.request)
    dump.sources = {
        clean(file): [(first, hide.source(clean(text))) for first, text in pieces]
        for file, pieces in dump.sources.items()
    }


def _redact_failure(failure: Failure, hide: Redaction) -> None:
    failure.type = clean(failure.type)
    failure.message = hide.text(clean(failure.message))
    failure.notes = [hide.text(clean(note)) for note in failure.notes]
    if failure.value is not None:
        _redact_value(failure.value, hide, 0)


def _redact_value(value: Value, hide: Redaction, deep: int) -> None:
    value.name, value.path, value.type = clean(value.name), clean(value.path), clean(value.type)
    level = hide.level(value.name.strip("'\""))
    text = clean(value.text)
    if value.type in ("str", "bytes", "unicode") and text.strip("b'\"") and hide.hides_text(level, text.strip("b'\"")):
        value.text, value.redacted = HIDDEN, True
    else:
        value.text = hide.text(text)
    if deep >= DEEPEST:
        value.children = []
    for child in value.children:
        _redact_value(child, hide, deep + 1)


def _by_name(hide: Redaction, name: str, text: str) -> str:
    return HIDDEN if hide.hides_text(hide.level(name), text) else hide.text(text)


def _redact_event(event: Event, hide: Redaction) -> None:
    """By its keys where it is JSON, else by what its text looks like."""
    if not event.text:
        return
    try:
        value = json.loads(event.text)
        if isinstance(value, dict | list):
            event.text = json.dumps(_json(value, hide, 0), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        pass
    event.text = hide.text(clean(event.text))


def _json(value: Any, hide: Redaction, level: int) -> Any:
    """What lies below a secret name is as secret as what stands right behind it."""
    if isinstance(value, dict):
        return {key: _json(item, hide, max(level, hide.level(key))) for key, item in value.items()}
    if isinstance(value, list):
        return [_json(item, hide, level) for item in value]
    if isinstance(value, str):
        return HIDDEN if hide.hides_text(level, value) else hide.text(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return HIDDEN if is_number and level >= _rules().ALWAYS else value


def event_of(body: bytes) -> Event:
    """The event where it is UTF-8, and only its beginning where it is large. What is no text could not be redacted."""
    is_cut = len(body) > EVENT_BYTES
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(body[:EVENT_BYTES], final=not is_cut)
    except UnicodeDecodeError:
        text = ""
    return Event(text=text, size=len(body), is_cut=is_cut and bool(text))


def clean(text: str) -> str:
    """Lone surrogates, which an instance may send, can not be written as UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
