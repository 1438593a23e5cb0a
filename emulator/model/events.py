"""Kinds of fact in the journal. Everything that happens is one of these; consoles, logs and profiles read them.

Named tuples, not dataclasses: several are made per invocation, and a named tuple is the cheapest frozen value.
`at` is `time.monotonic()` in seconds; functions are named in FC's form (`service$function` for FC 2).
"""

from __future__ import annotations

from typing import NamedTuple

from emulator.model.lifecycle import State


class InstanceMoved(NamedTuple):
    """An instance went from one state to another; `reason` says why it ends.

    That a running instance is busy or idle is told by its InvocationStarted and InvocationEnded, and by nothing else.
    """

    at: float
    instance_id: str
    function: str
    revision: int
    before: State
    after: State
    in_flight: int
    reason: str = ""


class InstanceWrote(NamedTuple):
    """An instance is gone, and with it what it had written to /code and other folders that are shared: `paths` as
    it saw them (`- path` was deleted), at most a hundred of `total`."""

    at: float
    instance_id: str
    function: str
    paths: tuple[str, ...]
    total: int


class InvocationStarted(NamedTuple):
    """An invocation was given to an instance. Readers print FC's `FC Invoke Start` line from it."""

    at: float
    request_id: str
    function: str
    qualifier: str
    instance_id: str
    cold: bool
    trigger: str


class InvocationEnded(NamedTuple):
    """An invocation ended. `error` is FC's `X-Fc-Error-Type`, `detail` the suffix of FC's End line."""

    at: float
    request_id: str
    function: str
    instance_id: str
    status: int
    duration_ms: float
    memory_mb: float
    memory_size_mb: int
    cold: bool
    init_ms: float
    queue_ms: float
    error: str = ""
    detail: str = ""


class InvocationRejected(NamedTuple):
    """An invocation that no instance took: FC's error code and text."""

    at: float
    request_id: str
    function: str
    status: int
    code: str
    message: str


class HookStarted(NamedTuple):
    """A lifecycle hook began: `hook` is Initialize, PreStop or PreFreeze, as in FC's log lines."""

    at: float
    request_id: str
    function: str
    instance_id: str
    hook: str


class HookEnded(NamedTuple):
    at: float
    request_id: str
    function: str
    instance_id: str
    hook: str
    duration_ms: float
    detail: str = ""


class LogLine(NamedTuple):
    """One line that the function wrote; `request_id` is empty where it belongs to no single request."""

    at: float
    function: str
    instance_id: str
    request_id: str
    text: str


class Span(NamedTuple):
    """A stretch of time of an instance's birth or death, for the cold-start waterfall."""

    at: float
    function: str
    instance_id: str
    name: str
    duration_ms: float
    detail: str = ""


class RevisionDeployed(NamedTuple):
    at: float
    function: str
    revision: int
    fingerprint: str


class TaskMoved(NamedTuple):
    """An asynchronous invocation changed its state (FC's own words)."""

    at: float
    task_id: str
    function: str
    state: str
    attempt: int = 0


class Notice(NamedTuple):
    """Something the user should know: a step down, a guess we made, a limit that was hit."""

    at: float
    level: str
    message: str
    function: str = ""


Event = (
    InstanceMoved
    | InstanceWrote
    | InvocationStarted
    | InvocationEnded
    | InvocationRejected
    | HookStarted
    | HookEnded
    | LogLine
    | Span
    | RevisionDeployed
    | TaskMoved
    | Notice
)
EVENT_TYPES: tuple[type[Event], ...] = (
    InstanceMoved,
    InstanceWrote,
    InvocationStarted,
    InvocationEnded,
    InvocationRejected,
    HookStarted,
    HookEnded,
    LogLine,
    Span,
    RevisionDeployed,
    TaskMoved,
    Notice,
)


def kind_of(event: Event) -> str:
    """`InvocationEnded` → `invocation_ended`: the name used in JSON and in the docs."""
    return KINDS[type(event)]


KINDS: dict[type, str] = {
    t: "".join(f"_{c.lower()}" if c.isupper() else c for c in t.__name__).lstrip("_") for t in EVENT_TYPES
}
