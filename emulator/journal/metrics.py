"""What the journal's facts come to for each function: now, since the start, and over time. Bounded memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from emulator.journal.function_metrics import COARSE, FINE, FunctionMetrics, Run
from emulator.journal.slot import Slot
from emulator.model.events import (
    Event,
    GpuHeld,
    InstancePaused,
    InstanceResumed,
    InstanceStarted,
    InvocationRejected,
    RevisionDeployed,
    TaskMoved,
)
from emulator.model.task import TaskState

_WAITING = (TaskState.ENQUEUED.value, TaskState.RETRYING.value)


class Metrics:
    """A fold: it takes every event in order, those of a `Run` by `took`. `functions` is by FC's name; `epoch` is
    what the journal's clock shows when Unix time is 0."""

    def __init__(self, now: float) -> None:
        self.began = now
        self.epoch = now - time.time()
        self.functions: dict[str, FunctionMetrics] = {}
        self.takers: Mapping[type[Event], Callable[[Any], None]] = {
            InvocationRejected: self._rejected,
            InstanceStarted: self._appeared,
            InstancePaused: self._paused,
            InstanceResumed: self._resumed,
            GpuHeld: self._gpu,
            RevisionDeployed: self._deployed,
            TaskMoved: self._task,
        }

    def of(self, function: str) -> FunctionMetrics:
        found = self.functions.get(function)
        if found is None:
            found = self.functions[function] = FunctionMetrics(self.began)
        return found

    def took(self, function: str, run: Run) -> None:
        self.of(function).took(run)

    def _rejected(self, event: InvocationRejected) -> None:
        self.of(event.function).rejected(event.at, event.status, event.code)

    def _appeared(self, event: InstanceStarted) -> None:
        self.of(event.function).appeared(event.at, event.instance_id, event.provisioned)

    def _paused(self, event: InstancePaused) -> None:
        self.of(event.function).paused(event.at, event.instance_id, True)

    def _resumed(self, event: InstanceResumed) -> None:
        self.of(event.function).paused(event.at, event.instance_id, False)

    def _gpu(self, event: GpuHeld) -> None:
        if event.used_mb is not None:
            self.of(event.function).holds_gpu(event.instance_id, event.used_mb)

    def _deployed(self, event: RevisionDeployed) -> None:
        self.of(event.function).size = event

    def _task(self, event: TaskMoved) -> None:
        function = self.of(event.function)
        slot = function.advance(event.at)
        if event.state == TaskState.ENQUEUED.value:
            slot.enqueued += 1
        elif event.state == TaskState.RUNNING.value and event.task_id in function.backlog:
            slot.dequeued += 1
        if event.state in _WAITING:
            function.backlog.add(event.task_id)
        else:
            function.backlog.discard(event.task_id)

    # --- answers ---

    def total(self, function: str, now: float) -> Slot:
        """Everything since the start."""
        found = self.of(function)
        found.advance(now)
        whole = Slot(found.total.at)
        whole.merge(found.total)
        whole.merge(found.now)
        return whole

    def series(self, function: str, now: float, window: float) -> tuple[float, list[Slot]]:
        """The length of a slot in seconds, and those of the last `window` seconds, the oldest first: of 5 s up to a
        quarter of an hour, of a minute up to six hours. A slot in which nothing was is left out."""
        found = self.of(function)
        found.advance(now)
        ring = found.fine if window <= FINE[0] * FINE[1] else found.coarse
        slots = list(ring.since(now - min(window, COARSE[0] * COARSE[1])))
        last = Slot(found.now.at - found.now.at % ring.seconds)
        if slots and slots[-1].at == last.at:
            last.merge(slots.pop())
        last.merge(found.now)
        return ring.seconds, slots if last.is_empty else [*slots, last]
