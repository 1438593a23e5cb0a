"""docs/states.md, made from the state tables of instances and of asynchronous invocations."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from emulator.model.lifecycle import MOVES, Signal, State, StopReason
from emulator.model.task import FINAL, TASK_MOVES, TaskSignal, TaskState

HEAD = """# States

Made from `emulator/model/lifecycle.py` and `emulator/model/task.py`; `python -m emulator.cli.docs` writes it again.

## Instance

Each move is an event `instance_moved` ([events.md](events.md)), but for those between `idle` and `busy`, which the
events of its invocations tell. A move that is not in the table is a fault of fclocal.
A frozen instance is thawed before anything else is asked of it: a process that stands still accepts connections and
then says nothing, and does not hear SIGTERM.
"""
TASK_HEAD = """
## Asynchronous invocation

FC's own words for an async task (GetAsyncTask). Each move is an event `task_moved`.
Final: {final}.
"""

STATES: Mapping[State, str] = {
    State.STARTING: "its walls are built, and its server is waited for",
    State.INITIALIZING: "its server answers; the Initializer and a first health check run",
    State.IDLE: "it runs and has no request",
    State.BUSY: "it has 1 to `instanceConcurrency` requests",
    State.FREEZING: "its last request has ended; PreFreeze (FC 2) runs",
    State.FROZEN: "every process of it stands still",
    State.DRAINING: "it gets no more requests, and ends with its last one",
    State.STOPPING: "PreStop, SIGTERM, and SIGKILL for what is left",
    State.STOPPED: "its processes, folders and control groups are gone",
}
SIGNALS: Mapping[Signal, str] = {
    Signal.ANSWERED: "its server answers",
    Signal.INITIALIZED: "the Initializer succeeded, or there is none",
    Signal.TAKEN: "a request was given to it",
    Signal.DRAINED: "its last request ended",
    Signal.COOLED: "it was idle for `freeze_after_ms`",
    Signal.FROZE: "everything in it stands still",
    Signal.THAWED: "it runs again, for a request or for its end",
    Signal.RETIRED: "it shall end",
    Signal.EXITED: "its main process is gone",
}
STOP_REASONS: Mapping[StopReason, str] = {
    StopReason.IDLE: "nobody asked for it for `keep_alive`",
    StopReason.REPLACED: "its revision is not the current one any more",
    StopReason.SCALED_IN: "it was provisioned, and fewer are wanted",
    StopReason.TIMEOUT: "a request took longer than the function's timeout",
    StopReason.CANCELED: "the client went away, and the request may still be running",
    StopReason.CRASHED: "its process ended by itself",
    StopReason.OOM: "it took more than its memory",
    StopReason.DISK_FULL: "it wrote more than its disk holds",
    StopReason.UNHEALTHY: "its health check failed, or its answer was not HTTP",
    StopReason.START_FAILED: "its server did not come up",
    StopReason.INIT_FAILED: "its Initializer failed",
    StopReason.EXCLUSIVE: "it served the one request that it was for",
    StopReason.DISPLACED: "it was idle, and another function needed its part of a GPU's memory",
    StopReason.DEBUGGED: "an editor has left, and Python up to 3.11 stays slow; or one has come that could not stop it",
    StopReason.SHUTDOWN: "the emulator stops",
}
TASK_STATES: Mapping[TaskState, str] = {
    TaskState.ENQUEUED: "accepted; nothing runs yet",
    TaskState.RUNNING: "an attempt runs",
    TaskState.RETRYING: "an attempt failed, and another one will follow",
    TaskState.SUCCEEDED: "the function returned a result",
    TaskState.FAILED: "the last attempt failed",
    TaskState.EXPIRED: "it was older than `maxAsyncEventAgeInSeconds` before an attempt began",
    TaskState.STOPPING: "it was stopped while an attempt runs",
    TaskState.STOPPED: "it was stopped",
    TaskState.INVALID: "its function is gone",
}


def states_markdown() -> str:
    """The whole page."""
    final = ", ".join(state.value for state in TaskState if state in FINAL)
    return "".join(
        (
            HEAD,
            _list("state", STATES),
            _matrix(State, Signal, MOVES),
            _list("signal", SIGNALS),
            "\nAn instance ends for one of these reasons:\n",
            _list("reason", STOP_REASONS),
            TASK_HEAD.format(final=final),
            _list("state", TASK_STATES),
            _matrix(TaskState, TaskSignal, TASK_MOVES),
        )
    )


def _list(title: str, meanings: Mapping[Any, str]) -> str:
    rows = [f"| `{word.value}` | {meaning} |\n" for word, meaning in meanings.items()]
    return f"\n| {title} | meaning |\n|---|---|\n" + "".join(rows)


def _matrix(states: type[Enum], signals: type[Enum], moves: Mapping[Any, Enum]) -> str:
    """From each state by each signal to the next; an empty cell is no move."""
    head = "| from | " + " | ".join(signal.value for signal in signals) + " |\n"
    rule = "|---|" + "---|" * len(signals) + "\n"
    rows = [
        f"| `{state.value}` | "
        + " | ".join(f"`{to.value}`" if (to := moves.get((state, signal))) else "" for signal in signals)
        + " |\n"
        for state in states
    ]
    return "\n" + head + rule + "".join(rows)
