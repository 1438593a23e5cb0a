"""The records of a post-mortem, as they stand in its file. Frames and threads are innermost first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct, field

FORMAT = 1

Form = Literal["", "list", "tuple", "set", "dict", "object"]


class Value(Struct, omit_defaults=True):
    """One value. `form` has children, of which `count` is the true number; everything else has `text`.

    `path` is what is written behind its parent's expression to reach it, "" where nothing can be.
    `length` is that of a text of which only a part is shown. `cut`: it was not looked at any more.
    """

    name: str = ""
    path: str = ""
    type: str = ""
    text: str = ""
    form: Form = ""
    count: int = 0
    length: int = 0
    redacted: bool = False
    cut: bool = False
    children: list[Value] = field(default_factory=list)


class Frame(Struct, omit_defaults=True):
    """One frame. `line` is 0 where it is not known. `omitted` frames were left out before this one.

    `library` is true for what the user has not written. `has_locals` tells a frame without variables from one whose
    variables nobody could see.
    """

    file: str = ""
    line: int = 0
    function: str = ""
    library: bool = False
    locals: list[Value] = field(default_factory=list)
    globals: list[Value] = field(default_factory=list)
    omitted: int = 0
    has_locals: bool = True


class Failure(Struct, omit_defaults=True):
    """One exception of a chain: `relation` says what it is to the one before it (`cause`, `context`, `group`)."""

    type: str = ""
    message: str = ""
    relation: str = ""
    frames: list[Frame] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    group: list[Failure] = field(default_factory=list)
    value: Value | None = None


class Thread(Struct, omit_defaults=True):
    """One thread. `current`: it is the one that failed; its frames may be those of the exception, and absent here."""

    name: str = ""
    current: bool = False
    request: str = ""
    frames: list[Frame] = field(default_factory=list)


class Dump(Struct, omit_defaults=True):
    """What the instance itself could say. `sources`: file → pieces of it, each from a line on.

    `complete` is false where the time or the room for values ran out.
    """

    python: str = ""
    exceptions: list[Failure] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)
    sources: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    complete: bool = True


class MemoryUse(Struct, omit_defaults=True):
    """Memory of the instance in MB; `curve` is (seconds before the end, MB)."""

    limit_mb: float = 0.0
    peak_mb: float = 0.0
    curve: list[tuple[float, float]] = field(default_factory=list)


class Ending(Struct, omit_defaults=True):
    """How the process ended; all empty where it lives on."""

    code: int | None = None
    signal: int | None = None
    oom: bool = False


class Event(Struct, omit_defaults=True):
    """What the function was called with; `text` is empty where it is none. `size` is that of the whole in bytes, None
    for a stream, which nobody kept."""

    text: str = ""
    size: int | None = None
    is_cut: bool = False


class Request(Struct, omit_defaults=True):
    """How the invocation came in; `headers` are those that the caller of an HTTP function sent."""

    method: str = ""
    target: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    trigger: str = ""
    qualifier: str = ""
    is_async: bool = False
    retry_count: int = 0


class PostMortem(Struct, omit_defaults=True, kw_only=True):
    """One failure. `kind` is exception, timeout, oom, crash or exit; `phase` Invoke, Initialize, PreStop or PreFreeze.

    `at` is seconds since the epoch. `code_dir` is the folder on the host that the instance saw as `code_target`.
    """

    format: int = FORMAT
    id: str
    at: float
    kind: str
    phase: str = "Invoke"
    function: str
    revision: int = 0
    fingerprint: str = ""
    runtime: str = ""
    handler: str = ""
    instance_id: str = ""
    status: int = 0
    what: str = ""
    where: str = ""
    duration_ms: float = 0.0
    timeout: float = 0.0
    code_dir: str = ""
    code_target: str = ""
    event: Event = field(default_factory=Event)
    request: Request = field(default_factory=Request)
    log: list[str] = field(default_factory=list)
    memory: MemoryUse = field(default_factory=MemoryUse)
    ending: Ending = field(default_factory=Ending)
    dump: Dump = field(default_factory=Dump)
    # What the reader should know about how much is here: full sentences.
    remarks: list[str] = field(default_factory=list)


def all_failures(failures: list[Failure]) -> Iterator[Failure]:
    """Those of a chain, and the members of their groups."""
    for failure in failures:
        yield failure
        yield from all_failures(failure.group)


def all_frames(dump: Dump) -> Iterator[Frame]:
    for failure in all_failures(dump.exceptions):
        yield from failure.frames
    for thread in dump.threads:
        yield from thread.frames


def first_own(frames: list[Frame]) -> Frame | None:
    """The frame that tells most: the innermost of the user's own, else the innermost."""
    return next((frame for frame in frames if not frame.library), frames[0] if frames else None)
