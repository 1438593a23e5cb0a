"""Spans to whoever collects them, by OTLP over HTTP: the one place that knows OpenTelemetry (extra `otel`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from emulator import __version__
from emulator.journal.spans import TraceSpan

PATH = "/v1/traces"
# What may wait while the collector is slow; more is lost, and told.
WAITING = 8192
EVERY_MS = 1000.0
# For one export, with its repetitions
PATIENCE_SECONDS = 5.0
_SCOPE = InstrumentationScope("fclocal", __version__)


class Otlp:
    """Spans are handed to a thread of OpenTelemetry's, which sends them in batches. `failed` is told once, in the loop
    that this was made in, when they do not arrive."""

    def __init__(self, endpoint: str, region: str, failed: Callable[[], None]) -> None:
        """An empty endpoint stands for OTEL_EXPORTER_OTLP_ENDPOINT."""
        # Its own words would stand between a function's lines, one for each batch.
        logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
        logging.getLogger("opentelemetry").propagate = False
        url = _url(endpoint) if endpoint else None
        exporter = _Telling(OTLPSpanExporter(endpoint=url, timeout=PATIENCE_SECONDS), failed)
        self._processor = BatchSpanProcessor(exporter, max_queue_size=WAITING, schedule_delay_millis=EVERY_MS)
        self._resource = Resource.create(
            {
                "service.name": "fclocal",
                "service.version": __version__,
                "cloud.provider": "alibaba_cloud",
                "cloud.platform": "alibaba_cloud_fc",
                "cloud.region": region,
            }
        )

    def send(self, span: TraceSpan) -> None:
        self._processor.on_end(self._readable(span))

    def _readable(self, span: TraceSpan) -> ReadableSpan:
        trace_id = int(span.trace_id, 16)
        parent = _context(trace_id, span.parent_id, remote=span.server) if span.parent_id else None
        return ReadableSpan(
            span.name,
            _context(trace_id, span.span_id, remote=False),
            parent,
            self._resource,
            span.values,
            kind=SpanKind.SERVER if span.server else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.OK),
            start_time=span.start_ns,
            end_time=span.end_ns,
            instrumentation_scope=_SCOPE,
        )

    async def aclose(self) -> None:
        """Send what waits, as far as that is possible soon."""
        await asyncio.to_thread(self._processor.force_flush, int(PATIENCE_SECONDS * 1000))
        await asyncio.to_thread(self._processor.shutdown)


class _Telling(SpanExporter):
    """Passes batches on, and says the first time that one did not arrive."""

    def __init__(self, exporter: SpanExporter, failed: Callable[[], None]) -> None:
        self._exporter = exporter
        self._loop = asyncio.get_running_loop()
        self._failed: Callable[[], None] | None = failed

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        failed = self._failed
        if result is not SpanExportResult.SUCCESS and failed is not None:
            self._failed = None
            self._loop.call_soon_threadsafe(failed)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _context(trace_id: int, span_id: str, *, remote: bool) -> SpanContext:
    return SpanContext(trace_id, int(span_id, 16), remote, TraceFlags(TraceFlags.SAMPLED))


def _url(endpoint: str) -> str:
    """As OTEL_EXPORTER_OTLP_ENDPOINT is read: the collector's address, without the path for traces."""
    base = endpoint.rstrip("/")
    return base if base.endswith(PATH) else base + PATH
