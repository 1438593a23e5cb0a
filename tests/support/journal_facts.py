"""Events for tests of the journal's readers: one function on one clock."""

from __future__ import annotations

from typing import Any

from emulator.model.events import (
    Event,
    HookEnded,
    HookStarted,
    InstanceMoved,
    InstanceStarted,
    InvocationEnded,
    InvocationStarted,
    RevisionDeployed,
)
from emulator.model.lifecycle import State

NAME, INSTANCE = "f", "c-1"


def deployed(at: float = 0.0, **size: Any) -> RevisionDeployed:
    return RevisionDeployed(at, NAME, 1, "x", **{"cpu": 1.0, "memory_mb": 1024, "disk_mb": 512, **size})


def appeared(at: float, instance_id: str = INSTANCE, *, provisioned: bool = False) -> list[Event]:
    """An instance that is up at once."""
    return [
        InstanceStarted(at, instance_id, NAME, 1, "spawn", provisioned=provisioned),
        moved(at, State.STARTING, State.INITIALIZING, instance_id),
        moved(at, State.INITIALIZING, State.IDLE, instance_id),
    ]


def moved(at: float, before: State, after: State, instance_id: str = INSTANCE) -> InstanceMoved:
    return InstanceMoved(at, instance_id, NAME, 1, before, after, 0)


def gone(at: float, instance_id: str = INSTANCE) -> list[Event]:
    return [
        moved(at, State.IDLE, State.STOPPING, instance_id),
        moved(at, State.STOPPING, State.STOPPED, instance_id),
    ]


def begun(at: float, request_id: str = "r", instance_id: str = INSTANCE, *, cold: bool = False) -> InvocationStarted:
    return InvocationStarted(at, request_id, NAME, "LATEST", instance_id, cold, "api")


def ended(
    at: float, duration_ms: float, request_id: str = "r", instance_id: str = INSTANCE, **more: Any
) -> InvocationEnded:
    known: dict[str, Any] = {
        "status": 200,
        "memory_mb": 30.0,
        "memory_size_mb": 1024,
        "cold": False,
        "init_ms": 0.0,
        "queue_ms": 0.0,
    }
    return InvocationEnded(at, request_id, NAME, instance_id, duration_ms=duration_ms, **{**known, **more})


def call(at: float, seconds: float, request_id: str = "r", instance_id: str = INSTANCE, **more: Any) -> list[Event]:
    return [
        begun(at, request_id, instance_id, cold=more.get("cold", False)),
        ended(at + seconds, seconds * 1000, request_id, instance_id, **more),
    ]


def initialized(at: float, seconds: float, instance_id: str = INSTANCE) -> list[Event]:
    return [
        HookStarted(at, "r", NAME, instance_id, "Initialize"),
        HookEnded(at + seconds, "r", NAME, instance_id, "Initialize", seconds * 1000),
    ]
