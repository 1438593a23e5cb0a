"""The reader of the journal that exports invocations as spans."""

from __future__ import annotations

import asyncio
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from emulator.journal.journal import Journal
from emulator.model.errors import UserError

if TYPE_CHECKING:
    from emulator.journal.otlp import Otlp

NEXT_STEP = "pip install 'fclocal[otel]'"
LINGER_SECONDS = 0.1
CAPACITY = 100_000


def can_export(endpoint: str) -> bool:
    """Whether traces can be sent. Raises `UserError` where the option `endpoint` asks for what is not installed; a
    variable of the environment may be there for others."""
    if find_spec("opentelemetry") is not None and find_spec("opentelemetry.exporter.otlp.proto.http") is not None:
        return True
    if endpoint:
        raise UserError("traces can not be exported: OpenTelemetry is not installed", NEXT_STEP)
    return False


class TraceExport:
    """Subscribes at once. What can not be sent is told once, and no invocation waits for it."""

    def __init__(self, journal: Journal, endpoint: str, region: str) -> None:
        self._journal = journal
        self._endpoint = endpoint
        self._region = region
        self._reader = journal.subscribe(CAPACITY, LINGER_SECONDS)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="export traces")

    async def _run(self) -> None:
        # OpenTelemetry takes longer to load than all the rest of a start.
        await asyncio.to_thread(import_module, "emulator.journal.otlp")
        from emulator.journal.otlp import Otlp
        from emulator.journal.spans import Spans

        spans, otlp = Spans(self._journal.now()), Otlp(self._endpoint, self._region, self._failed)
        try:
            async for events in self._reader:
                for span in spans.feed(events):
                    otlp.send(span)
        finally:
            await self._end(otlp)

    async def _end(self, otlp: Otlp) -> None:
        await otlp.aclose()
        if self._reader.dropped:
            self._journal.notice(f"{self._reader.dropped} events came too fast to be exported as traces")

    def _failed(self) -> None:
        where = self._endpoint or "the endpoint of OTEL_EXPORTER_OTLP_ENDPOINT"
        self._journal.notice(f"traces do not arrive: {where} does not take them")

    async def aclose(self) -> None:
        """The last event was told; what waits is sent."""
        self._reader.close()
        if self._task is not None:
            await self._task
