"""Kinds of fact of the journal about what the platform does of itself, by its clock; see `events.py`, which has all."""

from __future__ import annotations

from msgspec import Struct


class TimerFired(Struct, frozen=True, gc=False):
    """A timer trigger of a function was due, and has invoked it asynchronously: `request_id` is that of the invocation
    and the id of its task, `trigger_time` what its event says, in UTC."""

    at: float
    function: str
    trigger: str
    request_id: str
    trigger_time: str
    qualifier: str


class MinimumChanged(Struct, frozen=True, gc=False):
    """From now on so many instances of a function are there ahead of requests: `target`, by this scheduled `action`;
    empty where none is in effect any more, and the default holds."""

    at: float
    function: str
    target: int
    action: str
