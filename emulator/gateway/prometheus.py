"""Counters as families of Prometheus, put together at each scrape: nothing is kept twice, and no global registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from emulator import __version__
from emulator.journal.billing import added, units
from emulator.journal.counters import Counters
from emulator.journal.function_metrics import FunctionMetrics
from emulator.journal.sketch import Sketch

# Borders of the histograms: 1 ms to 17 min, each twice the one before, where our own counts are exact.
DOUBLINGS = range(21)
MB = 1024 * 1024
_OF_FUNCTION = ("function",)


def exposition(
    counters: Counters, now: float, waiting: Mapping[str, int], dropped: int, accept: str
) -> tuple[bytes, str]:
    """The text of a scrape and its content type, in the format that `accept` asks for."""
    registry = CollectorRegistry()
    registry.register(_Scrape(counters, now, waiting, dropped))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Scrape(Collector):
    """What one scrape gets."""

    def __init__(self, counters: Counters, now: float, waiting: Mapping[str, int], dropped: int) -> None:
        self._counters = counters
        self._waiting = waiting
        self._dropped = dropped
        self._totals = {name: counters.metrics.total(name, now) for name in sorted(counters.metrics.functions)}
        counters.meter.settle(now)

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry that lasts for one scrape need not look for two of a name."""
        return ()

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("fclocal_info", "The emulator.", labels=("version",))
        info.add_metric((__version__,), 1)
        yield info
        yield from self._invocations()
        yield from self._histograms()
        yield from self._present()
        yield self._compute_units()
        lost = "Events of the journal that came faster than they were counted."
        yield CounterMetricFamily("fclocal_events_dropped", lost, value=self._dropped)

    def _invocations(self) -> Iterator[Metric]:
        ended = _counter("fclocal_invocations", "Invocations that ended, by HTTP status, or `error`.", "status")
        errors = _counter("fclocal_function_errors", "Invocations in which the function failed, by type.", "type")
        refused = _counter("fclocal_rejected", "Invocations that no instance took, by FC's error code.", "code")
        cold = CounterMetricFamily(
            "fclocal_cold_starts", "Invocations that waited for a cold start.", labels=_OF_FUNCTION
        )
        for name, slot in self._totals.items():
            counted: tuple[tuple[CounterMetricFamily, Mapping[str, int]], ...] = (
                (ended, {str(status): count for status, count in slot.statuses.items()}),
                (ended, {"error": sum(slot.errors.values())} if slot.errors else {}),
                (errors, slot.errors),
                (refused, slot.codes),
            )
            for family, counts in counted:
                for label, count in sorted(counts.items()):
                    family.add_metric((name, label), count)
            cold.add_metric((name,), slot.cold)
        yield from (ended, errors, refused, cold)

    def _histograms(self) -> Iterator[Metric]:
        duration = _histogram("fclocal_invocation_duration_seconds", "Time in the function.")
        latency = _histogram(
            "fclocal_invocation_latency_seconds", "The same with the time before, such as a cold start."
        )
        cold = _histogram(
            "fclocal_cold_start_seconds", "From the start of an instance until it can be given a request."
        )
        for name, slot in self._totals.items():
            for family, sketch in ((duration, slot.duration), (latency, slot.latency), (cold, slot.cold_start)):
                family.add_metric((name,), _buckets(sketch), sketch.total / 1000)
        yield from (duration, latency, cold)

    def _present(self) -> Iterator[Metric]:
        states = GaugeMetricFamily("fclocal_instances", "Instances that are there.", labels=("function", "state"))
        flight = _gauge("fclocal_requests_in_flight", "Requests that run.")
        queued = _gauge("fclocal_queued_requests", "Requests that wait for an instance.")
        backlog = _gauge("fclocal_async_backlog", "Asynchronous invocations that wait.")
        memory = _gauge("fclocal_memory_bytes", "Memory of all instances, as of the last invocation of each.")
        gpu = _gauge("fclocal_gpu_memory_bytes", "Memory of cards that all instances use, likewise.")
        for name in self._totals:
            found: FunctionMetrics = self._counters.metrics.of(name)
            for state, count in sorted(found.states.items()):
                states.add_metric((name, state), count)
            flight.add_metric((name,), found.flight)
            queued.add_metric((name,), self._waiting.get(name, 0))
            backlog.add_metric((name,), len(found.backlog))
            memory.add_metric((name,), sum(it.memory_mb for it in found.instances.values()) * MB)
            if found.size is not None and found.size.gpu_type:
                gpu.add_metric((name,), sum(it.gpu_memory_mb for it in found.instances.values()) * MB)
        yield from (states, flight, queued, backlog, memory, gpu)

    def _compute_units(self) -> Metric:
        """docs/cost.md says what they cost."""
        family = _counter("fclocal_compute_units", "CU that FC would have counted, by what they are for.", "part")
        prices = self._counters.prices
        parts: dict[str, dict[str, Decimal]] = {}
        for (_, name), sizes in self._counters.meter.hours.items():
            parts[name] = added([parts.get(name, {}), *(units(size, used, prices) for size, used in sizes.items())])
        for name, amounts in sorted(parts.items()):
            for part, amount in amounts.items():
                family.add_metric((name, part), float(amount))
        return family


def _counter(name: str, text: str, label: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, labels=("function", label))


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=_OF_FUNCTION)


def _histogram(name: str, text: str) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, text, labels=_OF_FUNCTION)


def _buckets(sketch: Sketch) -> list[tuple[str, float]]:
    counts = zip(DOUBLINGS, sketch.up_to(DOUBLINGS), strict=True)
    return [
        *((str(2**doubling / 1000), float(count)) for doubling, count in counts),
        ("+Inf", float(sketch.count)),
    ]
