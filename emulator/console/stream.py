"""The journal as server-sent events: what was kept first, then what happens, in batches.

A page that reads slowly is not waited for: its reader drops what does not fit, and the page is told how much. Events
have no numbers, since a page that connects again gets again what was kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

import msgspec

from emulator.journal.history import LARGE
from emulator.journal.journal import Journal, Reader
from emulator.journal.observer import Observer
from emulator.model.events import KINDS, Event

# Of one batch: some ten times more than a machine of many cores has invocations in that time.
MOST_BEHIND = 20_000
LINGER_SECONDS = 0.1
# So many events are encoded in a millisecond or two.
AT_ONCE = 500
# A client that is gone is noticed when it is written to.
ALIVE_SECONDS = 15.0
ALIVE = b": \n\n"

_encoder = msgspec.json.Encoder()
_HEADS = {kind: b'{"kind":"%s",' % name.encode() for kind, name in KINDS.items()}


class Streams:
    """The open streams of one console. `close` ends them all."""

    def __init__(self, journal: Journal, observer: Observer) -> None:
        self._journal = journal
        self._observer = observer
        self._readers: set[Reader] = set()
        # By which a page knows this emulator from the next one at the same address.
        self._emulator = uuid.uuid4().hex

    @property
    def open(self) -> int:
        return len(self._readers)

    def close(self) -> None:
        for reader in tuple(self._readers):
            reader.close()

    async def messages(self) -> AsyncIterator[bytes]:
        """One page's stream, until it is closed."""
        # No turn of the loop between the two: no event is in neither or in both.
        past = self._observer.history().events()
        reader = self._journal.subscribe(MOST_BEHIND, LINGER_SECONDS)
        self._readers.add(reader)
        try:
            hello = {"emulator": self._emulator, "now": self._journal.now(), "time": time.time()}
            yield _message("hello", hello)
            for message in _batches("past", past):
                yield message
            yield _message("live", {})
            async for message in self._live(reader):
                yield message
        finally:
            self._readers.discard(reader)
            reader.close()

    async def _live(self, reader: Reader) -> AsyncIterator[bytes]:
        told = 0
        batches = aiter(reader)
        waiting = asyncio.ensure_future(anext(batches, None))
        try:
            while True:
                await asyncio.wait((waiting,), timeout=ALIVE_SECONDS)
                if not waiting.done():
                    yield ALIVE
                    continue
                events = waiting.result()
                if events is None:
                    return
                for message in _batches("events", events):
                    yield message
                if reader.dropped > told:
                    yield _message("dropped", {"count": reader.dropped - told})
                    told = reader.dropped
                waiting = asyncio.ensure_future(anext(batches, None))
        finally:
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting


def _batches(name: str, events: Sequence[Event]) -> Iterator[bytes]:
    for begin in range(0, len(events), AT_ONCE):
        batch = encoded(events[begin : begin + AT_ONCE])
        yield b"event: %s\ndata: [%s]\n\n" % (name.encode(), b",".join(batch))


def encoded(events: Iterable[Event]) -> list[bytes]:
    """Each event as an object of JSON, with its `kind`: as `--json` prints it, and of large ones whose they are."""
    return [_HEADS[type(event)] + _encoder.encode(_small(event))[1:] for event in events]


def _small(event: Event) -> object:
    if type(event) not in LARGE:
        return event
    return {
        "at": event.at,
        "instance_id": getattr(event, "instance_id", ""),
        "function": getattr(event, "function", ""),
    }


def _message(name: str, data: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), _encoder.encode(data))
