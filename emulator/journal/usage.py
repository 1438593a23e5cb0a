"""What functions used, as FC meters it: how long instances served or were kept idle, and how often they were called.

What the documentation leaves open is decided here and in billing.py, and nowhere else:
* The Initializer counts as if it were a request; FC says that PreFreeze does not, and PreStop is taken to be the same.
  No hook is an invocation that is paid for.
* What a cold start takes before the Initializer is the platform's, and free.
* A provisioned instance is paid for from its start to its end; that whole life is rounded up, as idle time. On-demand
  time is rounded stretch by stretch.
* Time in the debugger is not counted; that by which the platform's clock is moved ahead is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from emulator.model.events import (
    ClockAdvanced,
    Event,
    HookEnded,
    HookStarted,
    InstanceMoved,
    InstancePatched,
    InstanceResumed,
    InstanceStarted,
    InvocationEnded,
    InvocationStarted,
    RevisionDeployed,
)
from emulator.model.lifecycle import State

HOUR = 3600
INITIALIZE = "Initialize"
# So many instances are remembered when they are gone.
MOST_GONE = 1000

Run = Sequence[InvocationStarted | InvocationEnded | InstanceMoved]


class Rounding(Struct, frozen=True, forbid_unknown_fields=True):
    """What durations are rounded up to, in ms."""

    on_demand_cpu_ms: int = 1
    provisioned_cpu_ms: int = 10_000
    gpu_ms: int = 1000


class Size(Struct, frozen=True):
    """What an instance is paid for by: cores, and MB as FC's API has them."""

    cpu: float
    memory_mb: int
    disk_mb: int = 512
    gpu_type: str = ""
    gpu_memory_mb: int = 0


class Used(Struct):
    """Time in which instances served, and in which they were kept without, in ms; and invocations."""

    active_ms: int = 0
    idle_ms: int = 0
    calls: int = 0


class Running(Struct):
    """An instance. `since` is when the stretch began that it is in, `idle_from` from when on it is idle and paid for,
    up to `idle_until`; `whole_ms` is what its life is rounded up to, and `counted_ms` what was counted of it. `used` is
    where it is counted, up to `used_until`."""

    function: str
    size: Size
    unit_ms: int
    idle_seconds: float
    whole_ms: int
    flight: int = 0
    served: int = 0
    since: float = 0.0
    paused_ms: float = 0.0
    idle_from: float = math.inf
    idle_until: float = math.inf
    counted_ms: int = 0
    used: Used = field(default_factory=Used)
    used_until: float = -math.inf


class Meter:
    """A fold: it takes every event in order, those of a `Run` by `took`. `hours` is what was used in each hour of
    Unix time, by function and size."""

    def __init__(self, now: float, rounding: Rounding, release_delay: float = 0.0) -> None:
        self._epoch = now - time.time()
        self._rounding = rounding
        self._release_delay = release_delay
        self.hours: dict[tuple[int, str], dict[Size, Used]] = {}
        self._sizes: dict[tuple[str, int], RevisionDeployed] = {}
        self._running: dict[str, Running] = {}
        # Those that ended last, since it is asked later what their requests cost.
        self._gone: dict[str, Running] = {}
        # Functions of which one instance takes several requests at once, or is paid for between them
        self._together: set[str] = set()
        self.takers: Mapping[type[Event], Callable[[Any], None]] = {
            ClockAdvanced: self._advanced,
            HookStarted: self._hook_started,
            HookEnded: self._hook_ended,
            InstanceStarted: self._appeared,
            InstanceResumed: self._resumed,
            InstancePatched: self._patched,
            RevisionDeployed: self._deployed,
        }

    def settle(self, now: float) -> None:
        """Count what instances are idle until now; what they serve is counted when it ends."""
        for running in self._running.values():
            self._count_idle(running, now)

    def running(self, instance_id: str) -> Running | None:
        """An instance that is there, or ended not long ago."""
        return self._running.get(instance_id) or self._gone.get(instance_id)

    def unix(self, at: float) -> float:
        """Unix time of a moment of the journal's."""
        return at - self._epoch

    def _advanced(self, event: ClockAdvanced) -> None:
        """Who is idle and paid for is so for that much longer, and the hours go on."""
        for running in self._running.values():
            self._count_idle(running, event.at)
            extra = min(event.seconds, running.idle_until - event.at)
            if running.idle_from <= event.at and extra > 0:
                self._count(running, event.at, int(extra * 1000), idle=True)
                running.idle_until -= extra
            running.used_until = -math.inf
        self._epoch -= event.seconds

    # --- instances ---

    def _deployed(self, event: RevisionDeployed) -> None:
        self._sizes[event.function, event.revision] = event

    def _appeared(self, event: InstanceStarted) -> None:
        deployed = self._sizes.get((event.function, event.revision))
        if deployed is None:
            return
        running = self._running[event.instance_id] = self._running_of(deployed, event.provisioned)
        if running.idle_seconds or deployed.instance_concurrency > 1:
            self._together.add(event.function)
        if event.provisioned:
            running.idle_from = event.at

    def _running_of(self, deployed: RevisionDeployed, provisioned: bool) -> Running:
        rounding, gpu = self._rounding, bool(deployed.gpu_type)
        unit = rounding.gpu_ms if gpu else rounding.on_demand_cpu_ms
        whole = rounding.gpu_ms if gpu else rounding.provisioned_cpu_ms
        delay = max(deployed.idle_timeout, 0.0 if gpu else self._release_delay)
        return Running(
            deployed.function,
            _size(deployed),
            1 if provisioned else unit,
            math.inf if provisioned else delay,
            whole if provisioned else 1,
        )

    def _moved(self, event: InstanceMoved) -> None:
        if event.after is not State.STOPPED:
            return
        running = self._running.pop(event.instance_id, None)
        if running is not None:
            self._count_idle(running, event.at)
            missing = -running.counted_ms % running.whole_ms
            self._count(running, event.at, missing, idle=True)
            self._gone[event.instance_id] = running
            if len(self._gone) > MOST_GONE:
                del self._gone[next(iter(self._gone))]

    def _patched(self, event: InstancePatched) -> None:
        running, deployed = self._running.get(event.instance_id), self._sizes.get((event.function, event.revision))
        if running is not None and deployed is not None:
            self._count_idle(running, event.at)
            running.size, running.used_until = _size(deployed), -math.inf

    def _resumed(self, event: InstanceResumed) -> None:
        running = self._running.get(event.instance_id)
        if running is not None:
            running.paused_ms += event.paused_ms

    # --- stretches of service ---

    def _hook_started(self, event: HookStarted) -> None:
        running = self._running.get(event.instance_id)
        if running is not None and event.hook == INITIALIZE:
            self._begin(running, event.at)

    def _hook_ended(self, event: HookEnded) -> None:
        running = self._running.get(event.instance_id)
        if running is not None and event.hook == INITIALIZE:
            self._end(running, event.at, event.duration_ms)

    def took(self, function: str, run: Run) -> None:
        """What happens for each invocation of a function, in order."""
        if function not in self._together:
            self._took_single(run)
            return
        for event in run:
            running = self._running.get(event.instance_id)
            if running is None:
                continue
            if isinstance(event, InvocationStarted):
                self._begin(running, event.at)
            elif isinstance(event, InstanceMoved):
                self._moved(event)
            else:
                self._used(running, event.at).calls += 1
                self._end(running, event.at, event.duration_ms)

    def _took_single(self, run: Run) -> None:
        """Each end is that of a stretch of its own, and what is between them is free: the most common case, made
        short."""
        instances = self._running
        for event in run:
            if isinstance(event, InstanceMoved):
                self._moved(event)
                continue
            if isinstance(event, InvocationStarted):
                continue
            running = instances.get(event.instance_id)
            if running is None:
                continue
            lasted = rounded_up(event.duration_ms, running.unit_ms)
            began = event.at - event.duration_ms / 1000
            if running.used_until - HOUR <= began and event.at < running.used_until:
                running.used.active_ms += lasted
            else:
                self._count(running, began, lasted)
                self._used(running, event.at)
            running.used.calls += 1

    def _begin(self, running: Running, at: float) -> None:
        if running.flight:
            running.flight += 1
            return
        if running.idle_seconds:
            self._count_idle(running, at)
            running.idle_from = math.inf
        running.since, running.flight, running.served, running.paused_ms = at, 1, 0, 0.0

    def _end(self, running: Running, at: float, duration_ms: float) -> None:
        """With concurrency, from the first start to the last end."""
        running.flight -= 1
        running.served += 1
        if running.flight:
            return
        lasted = duration_ms if running.served == 1 else (at - running.since) * 1000 - running.paused_ms
        self._count(running, running.since, rounded_up(lasted, running.unit_ms))
        if running.idle_seconds:
            running.idle_from, running.idle_until = at, at + running.idle_seconds

    # --- counting ---

    def _count_idle(self, running: Running, at: float) -> None:
        until = min(at, running.idle_until)
        if until > running.idle_from:
            lasted = int((until - running.idle_from) * 1000)
            self._count(running, running.idle_from, lasted, idle=True)
            running.idle_from += lasted / 1000

    def _count(self, running: Running, at: float, lasted: int, *, idle: bool = False) -> None:
        """Each hour gets its part."""
        running.counted_ms += lasted
        while lasted > 0:
            used = self._used(running, at)
            part = min(lasted, max(1, int((running.used_until - at) * 1000)))
            if idle:
                used.idle_ms += part
            else:
                used.active_ms += part
            lasted -= part
            at += part / 1000

    def _used(self, running: Running, at: float) -> Used:
        """Of the hour that `at` is in."""
        if running.used_until - HOUR <= at < running.used_until:
            return running.used
        hour = int((at - self._epoch) // HOUR)
        sizes = self.hours.setdefault((hour, running.function), {})
        running.used = sizes.setdefault(running.size, Used())
        running.used_until = (hour + 1) * HOUR + self._epoch
        return running.used


def _size(deployed: RevisionDeployed) -> Size:
    return Size(deployed.cpu, deployed.memory_mb, deployed.disk_mb, deployed.gpu_type, deployed.gpu_memory_mb)


def rounded_up(lasted_ms: float, unit_ms: int) -> int:
    """Whole units; a millionth of a millisecond above one is how a clock is read, and no time."""
    return (math.ceil(lasted_ms / unit_ms - 1e-6) or 1) * unit_ms
