"""What the platform did in a stretch of the journal, and when by its own clock (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from emulator.model.events import ClockAdvanced, Event, HookEnded, InstanceMoved, TaskMoved
from emulator.model.lifecycle import State, StopReason
from emulator.model.platform_events import MinimumChanged, TimerFired
from emulator.model.task import TaskState

RECLAIMED = frozenset({StopReason.IDLE.value, StopReason.SCALED_IN.value})
_BEGINS = frozenset({TaskState.ENQUEUED.value, TaskState.RUNNING.value})
_OF_INSTANCES = ("reclaimed", "ended", "frozen")
_HOOKS = ("Initialize", "PreStop", "PreFreeze")
TIMER, MINIMUM = "timer", "minimum"


class Happening(Struct, frozen=True):
    """`after` so many seconds of the platform's clock. `what`: reclaimed, ended (for another `why`), frozen, a hook's
    name, the state that an asynchronous invocation came into, timer or minimum; `subject` is the instance, that
    invocation, the timer trigger, or how many instances are the minimum now, for the scheduled action `why`."""

    after: float
    what: str
    function: str
    subject: str
    why: str = ""


class Advanced(Struct, frozen=True):
    """What came of moving the clock ahead by `seconds`, in `took_ms` of real time. `time` is Unix time on that clock,
    `ahead` by how many seconds it is ahead in all."""

    seconds: float
    ahead: float
    time: float
    took_ms: float
    happened: list[Happening]
    sessions_ended: int = 0


def in_words(it: Happening) -> str:
    """In a line."""
    if it.what == TIMER:
        return f"timer `{it.subject}` invoked {it.function}"
    if it.what == MINIMUM:
        return f"minimum of {it.function} is {it.subject} ({f'scheduled action `{it.why}`' if it.why else 'default'})"
    return f"{it.what} {it.function} {it.subject}{f' ({it.why})' if it.why else ''}"


def happenings(events: Iterable[Event], since: float) -> list[Happening]:
    """Of events in their order, the first of which is no earlier than `since`, in journal time."""
    found, ahead = [], 0.0
    for event in events:
        if isinstance(event, ClockAdvanced):
            ahead += event.seconds
            continue
        happening = _read(event, event.at - since + ahead)
        if happening is not None:
            found.append(happening)
    return found


def _read(event: Event, after: float) -> Happening | None:
    match event:
        case InstanceMoved(after=State.STOPPED):
            what = "reclaimed" if event.reason in RECLAIMED else "ended"
            return Happening(after, what, event.function, event.instance_id, event.reason)
        case InstanceMoved(after=State.FROZEN):
            return Happening(after, "frozen", event.function, event.instance_id)
        case HookEnded():
            return Happening(after, event.hook, event.function, event.instance_id, event.detail)
        case TimerFired():
            return Happening(after, TIMER, event.function, event.trigger)
        case MinimumChanged():
            return Happening(after, MINIMUM, event.function, str(event.target), event.action)
        case TaskMoved() if event.state not in _BEGINS:
            return Happening(after, event.state, event.function, event.task_id)
    return None


def told(found: Sequence[Happening]) -> str:
    """In one line: `2 instances reclaimed, PreStop run 2 times`; empty where nothing happened."""
    counts = Counter((it.what, it.why if it.what == "ended" else "") for it in found)
    return ", ".join(_told(what, why, count) for (what, why), count in counts.items())


def _told(what: str, why: str, count: int) -> str:
    if what in _OF_INSTANCES:
        return f"{count} instance{'s' if count > 1 else ''} {what}{f' ({why})' if why else ''}"
    if what in _HOOKS:
        return f"{what} run{f' {count} times' if count > 1 else ''}"
    if what == TIMER:
        return f"{count} invocation{'s' if count > 1 else ''} by timers"
    if what == MINIMUM:
        return f"minimum changed{f' {count} times' if count > 1 else ''}"
    return f"{count} asynchronous invocation{'s' if count > 1 else ''} {what}"
