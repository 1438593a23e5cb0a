"""What happened to one function during a stretch of time: counts, areas below curves, and peaks, which add up."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct, field

from emulator.journal.sketch import Sketch


class Slot(Struct):
    """`at` is its beginning, `seconds` how much of it is accounted for. `areas` are instance-seconds by state and
    `flight_area` is request-seconds: divided by `seconds` they are averages. An invocation is among `statuses` (HTTP),
    or among `errors` (by type) where the function failed. Peaks of memory are MB of one instance."""

    at: float
    seconds: float = 0.0
    invocations: int = 0
    provisioned: int = 0
    cold: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    rejected: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    duration: Sketch = field(default_factory=Sketch)
    latency: Sketch = field(default_factory=Sketch)
    cold_start: Sketch = field(default_factory=Sketch)
    areas: dict[str, float] = field(default_factory=dict)
    flight_area: float = 0.0
    most_flight: int = 0
    most_instances: int = 0
    memory_mb: float = 0.0
    gpu_memory_mb: float = 0.0
    enqueued: int = 0
    dequeued: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened, and nobody was there."""
        return not (self.invocations or self.codes or self.areas or self.flight_area or self.enqueued or self.dequeued)

    def merge(self, other: Slot) -> None:
        """Add what happened in another stretch; in most of them nothing did."""
        self.seconds += other.seconds
        for state, area in other.areas.items():
            self.areas[state] = self.areas.get(state, 0.0) + area
        self.flight_area += other.flight_area
        self.most_flight = max(self.most_flight, other.most_flight)
        self.most_instances = max(self.most_instances, other.most_instances)
        self.enqueued += other.enqueued
        self.dequeued += other.dequeued
        if other.codes:
            self.rejected.update(other.rejected)
            self.codes.update(other.codes)
        if other.invocations:
            self._merge_invocations(other)

    def _merge_invocations(self, other: Slot) -> None:
        self.invocations += other.invocations
        self.provisioned += other.provisioned
        self.cold += other.cold
        self.statuses.update(other.statuses)
        self.errors.update(other.errors)
        self.duration.merge(other.duration)
        self.latency.merge(other.latency)
        self.cold_start.merge(other.cold_start)
        self.memory_mb = max(self.memory_mb, other.memory_mb)
        self.gpu_memory_mb = max(self.gpu_memory_mb, other.gpu_memory_mb)
