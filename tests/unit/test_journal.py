"""The journal: every reader gets every fact in order, in batches, and none holds the writer up."""

from __future__ import annotations

import asyncio

import pytest

from emulator.journal.journal import Journal, Reader
from emulator.model.events import LogLine, Notice, Span


class FakeClock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.at = 100.0

    def monotonic(self) -> float:
        return self.at

    def time(self) -> float:
        return self.at


def line(number: int) -> LogLine:
    return LogLine(0.0, "f", "c-1", "", str(number))


async def gather(reader: Reader) -> list[list[str]]:
    return [[event.text for event in batch] async for batch in reader]


def test_readers_get_all_events_in_order_and_in_few_batches():
    async def main() -> None:
        journal = Journal()
        readers = [journal.subscribe(), journal.subscribe()]
        reading = [asyncio.create_task(gather(reader)) for reader in readers]
        for number in range(100):
            journal.append(line(number))
            if number == 50:
                await asyncio.sleep(0)
        for reader in readers:
            reader.close()
        for batches in await asyncio.gather(*reading):
            assert [text for batch in batches for text in batch] == [str(number) for number in range(100)]
            assert len(batches) <= 2

    asyncio.run(main())


def test_a_batch_comes_without_a_further_event():
    async def main() -> None:
        journal = Journal()
        reader = journal.subscribe(linger=0.001)
        batches = aiter(reader)
        for number in range(3):
            journal.append(line(number))
            assert await asyncio.wait_for(anext(batches), 20) == [line(number)]

    asyncio.run(main())


def test_taking_by_hand_leaves_the_reader_awake_for_what_comes_later():
    async def main() -> None:
        journal = Journal()
        reader = journal.subscribe(linger=0.01)
        journal.append(line(1))
        assert reader.take() == [line(1)]
        batches = aiter(reader)
        journal.append(line(2))
        assert await asyncio.wait_for(anext(batches), 20) == [line(2)]
        journal.append(line(3))
        assert await asyncio.wait_for(anext(batches), 20) == [line(3)]

    asyncio.run(main())


def test_a_reader_that_falls_behind_loses_the_newest_and_says_how_many():
    async def main() -> None:
        journal = Journal()
        slow, quick = journal.subscribe(capacity=3), journal.subscribe()
        for number in range(5):
            journal.append(line(number))
        assert (slow.take(), slow.dropped) == ([line(0), line(1), line(2)], 2)
        assert (len(quick.take()), quick.dropped) == (5, 0)
        journal.append(line(5))
        assert (slow.take(), slow.dropped) == ([line(5)], 2)

    asyncio.run(main())


def test_a_closed_reader_delivers_what_it_has_and_ends_while_others_go_on():
    async def main() -> None:
        journal = Journal()
        closed, other = journal.subscribe(), journal.subscribe()
        journal.append(line(1))
        closed.close()
        journal.append(line(2))
        assert await asyncio.wait_for(gather(closed), 20) == [["1"]]
        assert other.take() == [line(1), line(2)]

    asyncio.run(main())


def test_the_same_notice_about_the_same_function_is_told_once():
    async def main() -> None:
        journal = Journal(FakeClock())
        reader = journal.subscribe()
        for function in ("a", "a", "b"):
            journal.notice("disk is nearly full", function=function)
        journal.notice("another", level="info")
        assert reader.take() == [
            Notice(100.0, "warning", "disk is nearly full", "a"),
            Notice(100.0, "warning", "disk is nearly full", "b"),
            Notice(100.0, "info", "another"),
        ]

    asyncio.run(main())


def test_a_span_is_told_when_it_is_left_also_by_an_error():
    async def main() -> None:
        clock = FakeClock()
        journal = Journal(clock)
        reader = journal.subscribe()
        with journal.span("sandbox", "f", "c-1") as span:
            clock.at += 0.25
            span.detail = "bwrap"
        with pytest.raises(ValueError, match="no"), journal.span("runtime", "f", "c-1"):
            clock.at += 0.5
            raise ValueError("no")
        assert reader.take() == [
            Span(100.0, "f", "c-1", "sandbox", 250.0, "bwrap"),
            Span(100.25, "f", "c-1", "runtime", 500.0, "ValueError"),
        ]

    asyncio.run(main())
