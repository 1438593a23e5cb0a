"""One function over time: who is there now, and what happened in rings of slots that forget the oldest."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import accumulate, takewhile

from msgspec import Struct

from emulator.journal.slot import Slot
from emulator.model.events import InstanceMoved, InvocationEnded, InvocationStarted, RevisionDeployed
from emulator.model.invocation import Cause
from emulator.model.lifecycle import State

# Seconds of a slot, and how many are kept: a quarter of an hour to look at closely, and six hours in FC's own period.
FINE = (5.0, 180)
COARSE = (60.0, 360)
BUSY, IDLE, PAUSED = "busy", "idle", "paused"
# An instance that may be idle or busy: which of both is told by its invocations.
UP = "up"
_NAMES = {state: UP if state in (State.IDLE, State.BUSY) else state.value for state in State}
# How messages.py begins what FC says of these ends, which have no error type of their own in an answer
_CAUSES = (("Function timed out", Cause.TIMEOUT.value), ("Process exited", Cause.EXITED.value))

Run = Sequence[InvocationStarted | InvocationEnded | InstanceMoved]
"""What happens for each invocation, of one function and in order: beginnings, ends, freezes and thaws."""
_STEPS = {InvocationStarted: 1, InvocationEnded: -1, InstanceMoved: 0}


class Present(Struct):
    """An instance that is there. `kind` is its state, or that it is paused; `flight` how many invocations run in it."""

    state: str
    kind: str
    provisioned: bool = False
    flight: int = 0
    memory_mb: float = 0.0
    gpu_memory_mb: float = 0.0

    @property
    def shown(self) -> str:
        """As people see it: up is busy or idle."""
        return self.kind if self.kind != UP else BUSY if self.flight else IDLE


class Ring:
    """Slots of equal length, the oldest of which are forgotten."""

    def __init__(self, seconds: float, count: int) -> None:
        self.seconds = seconds
        self._kept = seconds * count
        self._slots: deque[Slot] = deque()

    def add(self, slot: Slot) -> None:
        """Take a stretch of time that is over."""
        begins = slot.at - slot.at % self.seconds
        if self._slots and self._slots[-1].at == begins:
            self._slots[-1].merge(slot)
        elif not slot.is_empty:
            fresh = Slot(begins)
            fresh.merge(slot)
            self._slots.append(fresh)
        while self._slots and self._slots[0].at < slot.at - self._kept:
            self._slots.popleft()

    def since(self, at: float) -> Iterator[Slot]:
        """Those that end after `at`, the oldest first; a stretch in which nothing was is left out."""
        return (slot for slot in self._slots if slot.at + self.seconds > at)


class FunctionMetrics:
    """Fed in order, by whoever reads the journal. Times are the journal's, in seconds."""

    def __init__(self, at: float) -> None:
        self.size: RevisionDeployed | None = None
        self.instances: dict[str, Present] = {}
        self.flight = 0
        self.backlog: set[str] = set()
        self.total = Slot(at)
        self.fine = Ring(*FINE)
        self.coarse = Ring(*COARSE)
        self.now = Slot(at)
        self._kinds: Counter[str] = Counter()
        self._busy = 0
        self._edge = at - at % FINE[0] + FINE[0]
        self._at = at

    @property
    def states(self) -> dict[str, int]:
        """Instances that are there now, by state."""
        counts = {**self._kinds, BUSY: self._busy, IDLE: self._kinds[UP] - self._busy}
        return {state: count for state, count in counts.items() if count and state != UP}

    # --- time ---

    def advance(self, at: float) -> Slot:
        """Account for the time until `at`, in which nothing changed; returns the slot that it is in."""
        while at >= self._edge:
            self._edge = _edge_after_silence(self._edge, at)
            self._pass(self._edge)
            self._close()
        self._pass(at)
        return self.now

    def _pass(self, at: float) -> None:
        lasted = at - self._at
        if lasted <= 0:
            return
        self._at = at
        slot = self.now
        slot.seconds += lasted
        slot.flight_area += self.flight * lasted
        for state, count in self.states.items():
            slot.areas[state] = slot.areas.get(state, 0.0) + count * lasted

    def _close(self) -> None:
        self.fine.add(self.now)
        self.coarse.add(self.now)
        self.total.merge(self.now)
        self.now = Slot(self._edge, most_flight=self.flight, most_instances=len(self.instances))
        self._edge += FINE[0]

    # --- instances ---

    def appeared(self, at: float, instance_id: str, provisioned: bool) -> None:
        slot = self.advance(at)
        state = State.STARTING.value
        self.instances[instance_id] = Present(state, state, provisioned)
        self._kinds[state] += 1
        slot.most_instances = max(slot.most_instances, len(self.instances))

    def paused(self, at: float, instance_id: str, paused: bool) -> None:
        present = self.instances.get(instance_id)
        if present is not None:
            self.advance(at)
            self._turn(present, PAUSED if paused else present.state)

    def _turn(self, present: Present, kind: str) -> None:
        self._kinds[present.kind] -= 1
        self._kinds[kind] += 1
        if present.flight:
            self._busy += (kind == UP) - (present.kind == UP)
        present.kind = kind

    def holds_gpu(self, instance_id: str, used_mb: float) -> None:
        present = self.instances.get(instance_id)
        if present is not None:
            present.gpu_memory_mb = used_mb

    # --- invocations ---

    def took(self, run: Run) -> None:
        """All together: one by one they would cost a multiple."""
        while run:
            self.advance(run[0].at)
            inside = run if run[-1].at < self._edge else list(takewhile(self._is_inside, run))
            self._took(inside)
            run = run[len(inside) :]

    def _is_inside(self, event: InvocationStarted | InvocationEnded | InstanceMoved) -> bool:
        return event.at < self._edge

    def _took(self, run: Run) -> None:
        """What lies within the slot."""
        until, steps = run[-1].at, [_STEPS[type(event)] for event in run]
        slot = self.advance(until)
        # Each beginning counts from its moment to the end of the run, and each end takes that away again.
        slot.flight_area += sum([(until - event.at) * step for event, step in zip(run, steps, strict=True)])
        slot.most_flight = max(slot.most_flight, self.flight + max(accumulate(steps)))
        self.flight = max(0, self.flight + sum(steps))
        ended = [event for event in run if isinstance(event, InvocationEnded)]
        if ended:
            self._count(slot, ended)
        self._turns(slot, run, until)

    def _turns(self, slot: Slot, run: Run, until: float) -> None:
        """Instances turn busy and idle, and move; what was accounted for as if they had not is put right."""
        busy, instances = 0.0, self.instances
        for event in run:
            present = instances.get(event.instance_id)
            if present is None:
                continue
            if isinstance(event, InstanceMoved):
                self._move(slot, present, event, until - event.at)
                continue
            if isinstance(event, InvocationStarted):
                present.flight += 1
                turned = 1 if present.flight == 1 else 0
            else:
                present.flight -= 1
                turned = 0 if present.flight else -1
            if turned and present.kind == UP:
                self._busy += turned
                busy += turned * (until - event.at)
        if busy:
            slot.areas[BUSY] = slot.areas.get(BUSY, 0.0) + busy
            slot.areas[IDLE] = slot.areas.get(IDLE, 0.0) - busy

    def _move(self, slot: Slot, present: Present, event: InstanceMoved, lasted: float) -> None:
        before = present.shown
        present.state = _NAMES[event.after]
        if present.kind != PAUSED:
            self._turn(present, present.state)
        slot.areas[before] = slot.areas.get(before, 0.0) - lasted
        if event.after is State.STOPPED:
            del self.instances[event.instance_id]
            self._kinds[present.kind] -= 1
        else:
            slot.areas[present.shown] = slot.areas.get(present.shown, 0.0) + lasted

    def _count(self, slot: Slot, ended: list[InvocationEnded]) -> None:
        slot.invocations += len(ended)
        slot.duration.add([event.duration_ms for event in ended])
        slot.latency.add([event.duration_ms + event.queue_ms for event in ended])
        slot.statuses.update([event.status for event in ended if not event.error])
        slot.memory_mb = max(slot.memory_mb, max([event.memory_mb for event in ended]))
        for event in ended:
            if event.error:
                slot.errors[error_type(event)] += 1
            if event.cold:
                slot.cold += 1
                slot.cold_start.add((event.init_ms,))
        last = {event.instance_id: event for event in ended}
        for instance_id, event in last.items():
            present = self.instances.get(instance_id)
            if present is not None:
                present.memory_mb = event.memory_mb
                if event.gpu_memory_mb:
                    present.gpu_memory_mb = event.gpu_memory_mb
                    slot.gpu_memory_mb = max(slot.gpu_memory_mb, event.gpu_memory_mb)
        if self.size is not None and any(it.provisioned for it in self.instances.values()):
            found = (self.instances.get(event.instance_id) for event in ended)
            slot.provisioned += sum(it.provisioned for it in found if it is not None)

    def rejected(self, at: float, status: int, code: str) -> None:
        slot = self.advance(at)
        slot.rejected[status] += 1
        slot.codes[code] += 1


def _edge_after_silence(edge: float, at: float) -> float:
    """Where a slot ends in which nothing has happened since long: with that of the ring that still has it, or what no
    ring has is one. A night is hundreds of slots then, and not ten thousands."""
    silent, kept = at - edge, COARSE[0] * COARSE[1]
    if silent > kept:
        edge = at - kept
    elif silent <= FINE[0] * FINE[1]:
        return edge
    return edge + -edge % COARSE[0]


def error_type(event: InvocationEnded) -> str:
    """Of what kind a failure was: FC's `errorType` where that can be told, else its `X-Fc-Error-Type`."""
    for beginning, cause in _CAUSES:
        if event.detail.startswith(beginning):
            return cause
    return event.error
