"""`/_metrics` for Prometheus: what the journal's readers have counted since the start, at the moment of the scrape."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from importlib import import_module

from starlette.types import Receive, Scope, Send

from emulator.gateway import reply
from emulator.journal.observer import Observer
from emulator.model.errors import PathNotSupported

READING = ("GET", "HEAD")


class MetricsPage:
    """`waiting` says how many requests of each function wait for an instance, which no event tells."""

    def __init__(self, observer: Observer, now: Callable[[], float], waiting: Callable[[], Mapping[str, int]]) -> None:
        self._observer = observer
        self._now = now
        self._waiting = waiting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in READING or scope["path"].rstrip("/") != "/_metrics":
            raise PathNotSupported(scope["method"], scope["path"])
        # prometheus-client takes longer to load than all that is done with it.
        await asyncio.to_thread(import_module, "emulator.gateway.prometheus")
        from emulator.gateway.prometheus import exposition

        accept = next((value for name, value in scope["headers"] if name == b"accept"), b"").decode("latin-1")
        counters, dropped = self._observer.counters(), self._observer.dropped
        text, content_type = exposition(counters, self._now(), self._waiting(), dropped, accept)
        await reply.send_bytes(send, 200, [(b"content-type", content_type.encode())], text)
