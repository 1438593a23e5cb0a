"""Who is told when something of an instance fails, so that what is left of it may be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from emulator.model.invocation import Cause, Invocation, Outcome

if TYPE_CHECKING:
    from emulator.instance.instance import Instance


class Failed(Struct, frozen=True):
    """One failure. `phase` is Invoke, Initialize, PreStop or PreFreeze, `body` FC's error object, `detail` FC's text
    where the instance gave none. `call` is there for an invocation only."""

    phase: str
    request_id: str
    cause: Cause
    body: bytes
    detail: str = ""
    status: int = 0
    duration_ms: float = 0.0
    memory_mb: float = 0.0
    call: Invocation | None = None

    @classmethod
    def of(cls, call: Invocation, outcome: Outcome, detail: str = "") -> Failed:
        report = outcome.report
        return cls(
            "Invoke",
            call.request_id,
            outcome.cause or Cause.RAISED,
            outcome.body if isinstance(outcome.body, bytes) else b"",
            detail,
            outcome.status,
            report.duration_ms if report is not None else 0.0,
            report.memory_mb if report is not None else 0.0,
            call,
        )


class Recorder(Protocol):
    """Called on the event loop; it must not hold anybody up."""

    def failed(self, instance: Instance, failed: Failed) -> None:
        """Called once, at the end of what failed; the instance may be about to be ended, or gone."""
        ...

    async def last_look(self, instance: Instance) -> None:
        """Returns when the process is not needed any more, within half a second: called before it is ended."""
        ...


class NoRecorder:
    """Nobody wants to know."""

    def failed(self, instance: Instance, failed: Failed) -> None:
        pass

    async def last_look(self, instance: Instance) -> None:
        pass
