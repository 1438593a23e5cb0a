"""The state table of an instance. Every move stands here; a move that does not raises `IllegalMove`.

A frozen instance is thawed before anything else is asked of it: a stopped process accepts connections and then
hangs, and does not hear SIGTERM (FC's own states: runtime-contract.md §1.1).
"""

from __future__ import annotations

from enum import Enum


class _Named(Enum):
    """Members are single, so they hash by identity; Enum hashes their names, in Python, several times a call."""

    __hash__ = object.__hash__


class State(_Named):
    STARTING = "starting"
    INITIALIZING = "initializing"
    IDLE = "idle"
    BUSY = "busy"
    FREEZING = "freezing"
    FROZEN = "frozen"
    DRAINING = "draining"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Signal(_Named):
    ANSWERED = "answered"
    INITIALIZED = "initialized"
    TAKEN = "taken"
    DRAINED = "drained"
    COOLED = "cooled"
    FROZE = "froze"
    THAWED = "thawed"
    RETIRED = "retired"
    EXITED = "exited"


class StopReason(Enum):
    """Why an instance ended."""

    IDLE = "idle"
    REPLACED = "replaced"
    SCALED_IN = "scaled_in"
    TIMEOUT = "timeout"
    CANCELED = "canceled"
    CRASHED = "crashed"
    OOM = "oom"
    DISK_FULL = "disk_full"
    UNHEALTHY = "unhealthy"
    START_FAILED = "start_failed"
    INIT_FAILED = "init_failed"
    EXCLUSIVE = "exclusive"
    DEBUGGED = "debugged"
    DISPLACED = "displaced"
    SHUTDOWN = "shutdown"


class IllegalMove(AssertionError):
    """A bug of ours: the table has no such move."""


MOVES: dict[tuple[State, Signal], State] = {
    (State.STARTING, Signal.ANSWERED): State.INITIALIZING,
    (State.STARTING, Signal.RETIRED): State.STOPPING,
    (State.STARTING, Signal.EXITED): State.STOPPED,
    (State.INITIALIZING, Signal.INITIALIZED): State.IDLE,
    (State.INITIALIZING, Signal.RETIRED): State.STOPPING,
    (State.INITIALIZING, Signal.EXITED): State.STOPPED,
    (State.IDLE, Signal.TAKEN): State.BUSY,
    (State.IDLE, Signal.COOLED): State.FREEZING,
    (State.IDLE, Signal.RETIRED): State.STOPPING,
    (State.IDLE, Signal.EXITED): State.STOPPED,
    (State.BUSY, Signal.DRAINED): State.IDLE,
    (State.BUSY, Signal.RETIRED): State.DRAINING,
    (State.BUSY, Signal.EXITED): State.STOPPED,
    (State.FREEZING, Signal.FROZE): State.FROZEN,
    (State.FREEZING, Signal.THAWED): State.IDLE,
    (State.FREEZING, Signal.RETIRED): State.STOPPING,
    (State.FREEZING, Signal.EXITED): State.STOPPED,
    (State.FROZEN, Signal.THAWED): State.IDLE,
    (State.FROZEN, Signal.EXITED): State.STOPPED,
    (State.DRAINING, Signal.DRAINED): State.STOPPING,
    (State.DRAINING, Signal.EXITED): State.STOPPED,
    (State.STOPPING, Signal.EXITED): State.STOPPED,
}


def move(state: State, signal: Signal) -> State:
    """The next state; raises `IllegalMove` where the table has none."""
    try:
        return MOVES[state, signal]
    except KeyError:
        raise IllegalMove(f"{signal.value} in state {state.value}") from None
