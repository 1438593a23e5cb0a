"""What was measured in a scenario, or a step of it: the journal's facts and the callers' (pure)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct, field

from emulator.model.events import (
    Event,
    HookEnded,
    InstanceMoved,
    InstanceStarted,
    InvocationEnded,
    InvocationStarted,
    TaskMoved,
)
from emulator.model.lifecycle import State
from emulator.model.platform_events import TimerFired
from emulator.model.task import FINAL, TaskState
from emulator.scenario.happenings import RECLAIMED

_GOING = (State.STOPPING, State.STOPPED)
_FINAL = frozenset(state.value for state in FINAL)


class Answer(Struct, frozen=True):
    """One call as its caller saw it. `status` 0: no answer came. `error` is empty where it went well."""

    function: str
    status: int
    seconds: float
    request_id: str = ""
    error: str = ""


class Figures(Struct):
    """Of one function, or of all. `seconds` are of calls, each with whether it was a cold one."""

    calls: int = 0
    errors: int = 0
    rejected: int = 0
    invocations: int = 0
    cold_starts: int = 0
    instances: int = 0
    peak_instances: int = 0
    reclaimed: int = 0
    prestops: int = 0
    succeeded: int = 0
    failed: int = 0
    retries: int = 0
    timers: int = 0
    memory_mb: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[tuple[float, bool]] = field(default_factory=list)
    first_error: str = ""

    def percentile(self, rank: float, *, cold: bool | None = None) -> float | None:
        """Seconds that `rank` percent of the calls did not take longer than: by the nearest rank, so that it is one of
        them. None where there are none. `cold`: only of cold ones, or of warm ones."""
        chosen = sorted(seconds for seconds, was_cold in self.seconds if cold in (None, was_cold))
        return chosen[max(0, math.ceil(rank / 100 * len(chosen)) - 1)] if chosen else None

    def mean(self) -> float | None:
        return sum(seconds for seconds, _ in self.seconds) / len(self.seconds) if self.seconds else None


def alive_after(alive: Mapping[str, str], events: Iterable[Event]) -> dict[str, str]:
    """Instances that live after these events, each with its function."""
    left = dict(alive)
    for event in events:
        if isinstance(event, InstanceStarted):
            left[event.instance_id] = event.function
        elif isinstance(event, InstanceMoved) and event.after in _GOING:
            left.pop(event.instance_id, None)
    return left


def figures_of(
    events: Sequence[Event],
    answers: Iterable[Answer],
    alive: Mapping[str, str],
    function: str = "",
    own: Collection[str] | None = None,
) -> Figures:
    """`alive` is from before the first event. Of one `function`, else of all; `own`: only invocations by these request
    ids count, since others were made beside."""
    found = Figures()
    cold = _count_events(found, (it for it in events if _is_of(it, function, own)))
    for answer in answers:
        if function in ("", answer.function):
            _count_answer(found, answer, answer.request_id in cold)
    mine = {instance: name for instance, name in alive.items() if function in ("", name)}
    found.instances = found.peak_instances = len(mine)
    for event in events:
        if isinstance(event, InstanceStarted | InstanceMoved) and function in ("", event.function):
            mine = alive_after(mine, (event,))
            found.instances = len(mine)
            found.peak_instances = max(found.peak_instances, len(mine))
    return found


def _is_of(event: Event, function: str, own: Collection[str] | None) -> bool:
    if function and getattr(event, "function", "") != function:
        return False
    if own is None:
        return True
    name = event.task_id if isinstance(event, TaskMoved) else getattr(event, "request_id", None)
    return name is None or name in own or isinstance(event, HookEnded)


def _count_events(found: Figures, events: Iterable[Event]) -> set[str]:
    """Returns the request ids of cold ones."""
    cold = set()
    for event in events:
        match event:
            case InvocationStarted():
                found.invocations += 1
                found.cold_starts += event.cold
                if event.cold:
                    cold.add(event.request_id)
            case InvocationEnded():
                found.memory_mb = max(found.memory_mb, event.memory_mb)
            case InstanceMoved(after=State.STOPPED):
                found.reclaimed += event.reason in RECLAIMED
            case HookEnded():
                found.prestops += event.hook == "PreStop"
            case TimerFired():
                found.timers += 1
            case TaskMoved():
                found.retries += event.state == TaskState.RETRYING.value
                found.succeeded += event.state == TaskState.SUCCEEDED.value
                found.failed += event.state in _FINAL and event.state != TaskState.SUCCEEDED.value
    return cold


def _count_answer(found: Figures, answer: Answer, cold: bool) -> None:
    found.calls += 1
    found.statuses[answer.status] += 1
    found.rejected += answer.status == 429
    found.seconds.append((answer.seconds, cold))
    if answer.error:
        found.errors += 1
        found.first_error = found.first_error or answer.error
