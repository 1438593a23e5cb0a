"""Kinds of fact in the journal. Everything that happens is one of these; consoles, logs and profiles read them.

Several are made per invocation, and none can be part of a cycle, so the garbage collector need not look at them.
`at` is `time.monotonic()` in seconds; functions are named in FC's form (`service$function` for FC 2).
"""

from __future__ import annotations

from typing import get_args

from msgspec import Struct

from emulator.model.coldstart import PageCache
from emulator.model.inner_events import FilesRead, FreezeReport
from emulator.model.lifecycle import State
from emulator.model.platform_events import MinimumChanged, TimerFired

TracedPhase = tuple[str, float, float]
TracedImport = tuple[str, int, float, float, float, str, int, bool]


class InstanceMoved(Struct, frozen=True, gc=False):
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


class InstanceStarted(Struct, frozen=True, gc=False):
    """The processes of an instance run, behind their walls. `start` says how that came: spawn (an interpreter of its
    own), fork (from a template of its function), spare (that was parked ahead of time) or walls (an interpreter of its
    own in a container that was started ahead of time); `packages` are those of the user's that the template had loaded,
    which a cold start in Function Compute has to load. `provisioned`: it is one of the minimum instances."""

    at: float
    instance_id: str
    function: str
    revision: int
    start: str
    packages: tuple[str, ...] = ()
    provisioned: bool = False


class InstanceTraced(Struct, frozen=True, gc=False):
    """What an instance has measured of its own start, told after its first answer. `phases` are (name, begin, end) and
    `imports`, in the order of their beginning, (name, place of the one that asked or -1, begin, end, seconds of
    compiling, file, size, whether it failed), with times like `at`; `more` were not recorded. Each record took
    `record_seconds`. `used` and `unused` are top-level packages, where that was asked for (docs/coldstart.md)."""

    at: float
    instance_id: str
    function: str
    phases: tuple[TracedPhase, ...]
    imports: tuple[TracedImport, ...] = ()
    more: int = 0
    record_seconds: float = 0.0
    used: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


class InstanceWrote(Struct, frozen=True, gc=False):
    """An instance is gone, and with it what it had written to /code and other folders that are shared: `paths` as
    it saw them (`- path` was deleted), at most a hundred of `total`."""

    at: float
    instance_id: str
    function: str
    paths: tuple[str, ...]
    total: int


class InstancePaused(Struct, frozen=True, gc=False):
    """A thread of an instance stopped in the debugger: the instance's clocks stand still."""

    at: float
    instance_id: str
    function: str


class InstanceResumed(Struct, frozen=True, gc=False):
    """No thread of the instance stands in the debugger any more."""

    at: float
    instance_id: str
    function: str
    paused_ms: float


class InstancePatched(Struct, frozen=True, gc=False):
    """A running instance took the code of a revision: the names of globals that it `kept` in memory, of what it
    `replaced` by new code, `removed`, and had to make again (`rebuilt`, each with the reason)."""

    at: float
    instance_id: str
    function: str
    revision: int
    kept: tuple[str, ...]
    replaced: tuple[str, ...]
    removed: tuple[str, ...]
    rebuilt: tuple[tuple[str, str], ...]
    duration_ms: float


class PatchRefused(Struct, frozen=True, gc=False):
    """A running instance could not take the code of a revision as a cold start would, and is replaced by another."""

    at: float
    instance_id: str
    function: str
    revision: int
    reason: str


class GpuHeld(Struct, frozen=True, gc=False):
    """What an instance holds of this machine's cards. `what`: given (before it starts), idle (it is frozen and keeps
    its memory, as an idle GPU instance of FC's), over (it uses more than is its own) or returned. `size_mb` is its part
    of the `cards`, `used_mb` what its processes use, null where nobody can say, `free_mb` what is left for others."""

    at: float
    instance_id: str
    function: str
    what: str
    cards: tuple[str, ...]
    size_mb: int
    used_mb: float | None
    free_mb: int


class InvocationStarted(Struct, frozen=True, gc=False):
    """An invocation was given to an instance. Readers print FC's `FC Invoke Start` line from it. `traceparent` is what
    the function was given, where traces are exported, and `parent_span` the caller's span."""

    at: float
    request_id: str
    function: str
    qualifier: str
    instance_id: str
    cold: bool
    trigger: str
    traceparent: str = ""
    parent_span: str = ""


class SessionUsed(Struct, frozen=True, gc=False):
    """An invocation belongs to a session. One that the function itself makes is known with its answer only."""

    at: float
    request_id: str
    function: str
    session_id: str


class InvocationEnded(Struct, frozen=True, gc=False):
    """An invocation ended. `error` is FC's `X-Fc-Error-Type`, `detail` the suffix of FC's End line. `paused_ms` in the
    debugger are no part of its duration. `start` is that of the instance, see InstanceStarted, where it was a cold
    one. `gpu_memory_mb` is the most that its instance used of its `gpu_memory_size_mb` meanwhile: 0 of 0 without a
    card, null where nobody can say."""

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
    paused_ms: float = 0.0
    start: str = ""
    gpu_memory_mb: float | None = 0.0
    gpu_memory_size_mb: int = 0


class InvocationRejected(Struct, frozen=True, gc=False):
    """An invocation that no instance took: FC's error code and text. The others as of InvocationStarted."""

    at: float
    request_id: str
    function: str
    status: int
    code: str
    message: str
    traceparent: str = ""
    parent_span: str = ""


class HookStarted(Struct, frozen=True, gc=False):
    """A lifecycle hook began: `hook` is Initialize, PreStop or PreFreeze, as in FC's log lines."""

    at: float
    request_id: str
    function: str
    instance_id: str
    hook: str


class HookEnded(Struct, frozen=True, gc=False):
    at: float
    request_id: str
    function: str
    instance_id: str
    hook: str
    duration_ms: float
    detail: str = ""


class LogLine(Struct, frozen=True, gc=False):
    """One line that the function wrote; `request_id` is empty where it belongs to no single request."""

    at: float
    function: str
    instance_id: str
    request_id: str
    text: str


class Span(Struct, frozen=True, gc=False):
    """A stretch of time of an instance's birth or death, for the cold-start waterfall; or, without an `instance_id`, of
    a function's deployment."""

    at: float
    function: str
    instance_id: str
    name: str
    duration_ms: float
    detail: str = ""


class PageCacheSeen(Struct, frozen=True, gc=False):
    """How much of an instance's files was in the page cache before its start: its code, layers, mounted storage and
    interpreter. `cache` is the option: look, or cold, which puts them out. `left` are files of this machine with
    the bytes that are there of each, the largest first; `places` are the folders and files that were looked at. Those
    of an `image` are the engine's, and not among them."""

    at: float
    instance_id: str
    function: str
    cache: str
    sizes: PageCache
    left: tuple[tuple[str, int], ...] = ()
    places: tuple[str, ...] = ()
    image: str = ""


class RevisionDeployed(Struct, frozen=True, gc=False):
    """A function has another revision, the first one at the start. `files` are what made it necessary: paths in the
    code folder, the project's files, layers; at most a hundred of `total`, none at the start. The others are what its
    instances are given and billed by: cores, sizes in MB, how long an idle one is kept on purpose, in seconds."""

    at: float
    function: str
    revision: int
    fingerprint: str
    files: tuple[str, ...] = ()
    total: int = 0
    cpu: float = 0.0
    memory_mb: int = 0
    disk_mb: int = 0
    gpu_type: str = ""
    gpu_memory_mb: int = 0
    instance_concurrency: int = 1
    idle_timeout: float = 0.0


class RevisionRefused(Struct, frozen=True, gc=False):
    """A change that makes no revision, since it could not run: `revision` stays (0: there is none). `place` and
    `message` say what is wrong, `source` is the line itself. `function` is empty for the project's own files."""

    at: float
    function: str
    revision: int
    place: str
    message: str
    source: str = ""


class TaskMoved(Struct, frozen=True, gc=False):
    """An asynchronous invocation changed its state (FC's own words)."""

    at: float
    task_id: str
    function: str
    state: str
    attempt: int = 0


class PostMortemKept(Struct, frozen=True, gc=False):
    """What is left of a failure is in a file: `fclocal postmortem REQUEST_ID` shows it. `what` is the error in a line,
    `cause` exception, timeout, oom, crash or exit."""

    at: float
    request_id: str
    function: str
    instance_id: str
    cause: str
    what: str


class ClockAdvanced(Struct, frozen=True, gc=False):
    """The clock of the platform's own timers was moved ahead by `seconds`, by `ahead` in all: `at` stays real time, and
    on that clock everything after this event happens so much later. One is told for each stop on the way, at which
    something was due."""

    at: float
    seconds: float
    ahead: float


class ImageProgress(Struct, frozen=True, gc=False):
    """A function's image is built or pulled: a line of what the engine says of it."""

    at: float
    function: str
    image: str
    text: str


class Notice(Struct, frozen=True, gc=False):
    """Something the user should know: a step down, a guess we made, a limit that was hit."""

    at: float
    level: str
    message: str
    function: str = ""


Event = (
    InstanceMoved
    | InstanceStarted
    | InstanceTraced
    | InstanceWrote
    | InstancePatched
    | PatchRefused
    | InstancePaused
    | InstanceResumed
    | FreezeReport
    | GpuHeld
    | InvocationStarted
    | SessionUsed
    | InvocationEnded
    | InvocationRejected
    | HookStarted
    | HookEnded
    | LogLine
    | Span
    | PageCacheSeen
    | FilesRead
    | RevisionDeployed
    | RevisionRefused
    | TaskMoved
    | PostMortemKept
    | ClockAdvanced
    | TimerFired
    | MinimumChanged
    | ImageProgress
    | Notice
)
EVENT_TYPES: tuple[type[Event], ...] = get_args(Event)


def kind_of(event: Event) -> str:
    """`InvocationEnded` → `invocation_ended`: the name used in JSON and in the docs."""
    return KINDS[type(event)]


KINDS: dict[type, str] = {
    t: "".join(f"_{c.lower()}" if c.isupper() else c for c in t.__name__).lstrip("_") for t in EVENT_TYPES
}
