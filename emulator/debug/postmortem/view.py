"""A post-mortem's stacks in the order in which a reader wants them, and its invocation as values to browse."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from emulator.debug.postmortem.bundle import Failure, Frame, PostMortem, Thread, Value

RELATIONS = {"cause": "caused by", "context": "while handling", "group": "in group"}


class Stack(Struct, frozen=True):
    """A thread, or what an exception came from; never empty."""

    name: str
    frames: Sequence[Frame]
    failure: Failure | None = None


def stacks(bundle: PostMortem) -> list[Stack]:
    """First where it failed, then what that came from, then the other threads."""
    dump = bundle.dump
    failed = next((thread for thread in dump.threads if thread.current), Thread("MainThread"))
    found = []
    if dump.exceptions:
        first, *rest = dump.exceptions
        found.append(_of_failure(bundle, failed.name, first))
        for failure in [*_members(first), *rest]:
            found.append(_of_failure(bundle, RELATIONS.get(failure.relation, ""), failure))
    elif failed.frames:
        found.append(Stack(failed.name, failed.frames))
    found += [Stack(thread.name, thread.frames) for thread in dump.threads if thread is not failed and thread.frames]
    return found or [Stack(bundle.kind, [_no_frame(bundle)])]


def _of_failure(bundle: PostMortem, name: str, failure: Failure) -> Stack:
    title = f"{name} · {failure.type}" if failure.type else name
    return Stack(title, failure.frames or [_no_frame(bundle)], failure)


def _members(failure: Failure) -> list[Failure]:
    return [each for member in failure.group for each in (member, *_members(member))]


def _no_frame(bundle: PostMortem) -> Frame:
    return Frame(function=f"{bundle.what or bundle.kind} (no stack was recorded)", has_locals=False)


def invocation_values(bundle: PostMortem) -> list[Value]:
    """What is known of the invocation, beside variables."""
    memory = bundle.memory
    return [
        _text("event", bundle.event.text),
        _text("request_id", bundle.id),
        _text("function", f"{bundle.function}@r{bundle.revision}"),
        _text("instance", bundle.instance_id),
        Value("duration_ms", "duration_ms", "float", f"{bundle.duration_ms:.2f}"),
        Value("memory_mb", "memory_mb", "float", f"{memory.peak_mb:.2f} of {memory.limit_mb:g}"),
        Value("log", "log", "list", form="list", count=len(bundle.log), children=_lines(bundle.log)),
    ]


def _text(name: str, text: str) -> Value:
    return Value(name, name, "str", repr(text))


def _lines(lines: Sequence[str]) -> list[Value]:
    return [Value(str(index), f"[{index}]", "str", line) for index, line in enumerate(lines)]
