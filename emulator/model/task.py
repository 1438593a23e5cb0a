"""The state table of an asynchronous invocation, in FC's own words (platform.md §5)."""

from __future__ import annotations

from enum import Enum

from emulator.model.lifecycle import IllegalMove


class TaskState(Enum):
    ENQUEUED = "Enqueued"
    RUNNING = "Running"
    RETRYING = "Retrying"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    EXPIRED = "Expired"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    INVALID = "Invalid"


class TaskSignal(Enum):
    CLAIMED = "claimed"
    DONE = "done"
    ERROR = "error"
    GAVE_UP = "gave_up"
    TOO_OLD = "too_old"
    STOP = "stop"
    ENDED = "ended"
    FUNCTION_GONE = "function_gone"


TASK_MOVES: dict[tuple[TaskState, TaskSignal], TaskState] = {
    (TaskState.ENQUEUED, TaskSignal.CLAIMED): TaskState.RUNNING,
    (TaskState.ENQUEUED, TaskSignal.TOO_OLD): TaskState.EXPIRED,
    (TaskState.ENQUEUED, TaskSignal.STOP): TaskState.STOPPED,
    (TaskState.ENQUEUED, TaskSignal.FUNCTION_GONE): TaskState.INVALID,
    (TaskState.RUNNING, TaskSignal.DONE): TaskState.SUCCEEDED,
    (TaskState.RUNNING, TaskSignal.ERROR): TaskState.RETRYING,
    (TaskState.RUNNING, TaskSignal.GAVE_UP): TaskState.FAILED,
    (TaskState.RUNNING, TaskSignal.STOP): TaskState.STOPPING,
    (TaskState.RETRYING, TaskSignal.CLAIMED): TaskState.RUNNING,
    (TaskState.RETRYING, TaskSignal.TOO_OLD): TaskState.EXPIRED,
    (TaskState.RETRYING, TaskSignal.STOP): TaskState.STOPPED,
    (TaskState.RETRYING, TaskSignal.FUNCTION_GONE): TaskState.INVALID,
    (TaskState.STOPPING, TaskSignal.ENDED): TaskState.STOPPED,
}
FINAL = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.EXPIRED, TaskState.STOPPED, TaskState.INVALID})


def move(state: TaskState, signal: TaskSignal) -> TaskState:
    """The next state; raises `IllegalMove` where the table has none."""
    try:
        return TASK_MOVES[state, signal]
    except KeyError:
        raise IllegalMove(f"{signal.value} in task state {state.value}") from None
