"""The stream of one page: what was kept, what comes, and what did not fit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from emulator.console.stream import MOST_BEHIND, Streams
from emulator.journal.journal import Journal
from emulator.journal.observer import Observer
from emulator.model.events import LogLine


def line(journal: Journal, number: int) -> None:
    journal.append(LogLine(float(number), "hello", "c-1", "", str(number)))


async def read(messages: AsyncIterator[bytes]) -> tuple[str, Any]:
    async with asyncio.timeout(30):
        event, data = (await anext(messages)).decode().strip().split("\n")
    return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def begun(streams: Streams) -> tuple[AsyncIterator[bytes], list[str]]:
    """A stream, up to the present, and the lines that were kept."""
    messages, kept = streams.messages(), []
    name, data = await read(messages)
    assert name == "hello" and data["emulator"]
    while (message := await read(messages))[0] == "past":
        kept += [event["text"] for event in message[1]]
    assert message == ("live", {})
    return messages, kept


def test_nothing_is_missed_between_what_was_kept_and_what_comes():
    async def scene() -> None:
        journal = Journal()
        streams = Streams(journal, Observer(journal, None, keeps=True))
        for number in range(1200):
            line(journal, number)
        messages, kept = await begun(streams)
        assert kept == [str(number) for number in range(1200)]
        line(journal, 1200)
        name, events = await read(messages)
        assert (name, [event["text"] for event in events]) == ("events", ["1200"])
        assert events[0]["kind"] == "log_line"

    asyncio.run(scene())


def test_a_page_that_reads_slowly_is_told_what_it_missed_and_holds_nobody_up():
    async def scene() -> None:
        journal = Journal()
        streams = Streams(journal, Observer(journal, None, keeps=True))
        messages, _ = await begun(streams)
        for number in range(MOST_BEHIND + 5000):
            line(journal, number)
        got, dropped = 0, 0
        while not dropped:
            name, data = await read(messages)
            if name == "events":
                got += len(data)
            else:
                dropped = data["count"]
        assert (got, dropped) == (MOST_BEHIND, 5000)
        line(journal, 0)
        name, events = await read(messages)
        assert name == "events" and len(events) == 1, "and it goes on"

    asyncio.run(scene())


def test_closing_ends_every_stream_after_what_it_has():
    async def scene() -> None:
        journal = Journal()
        streams = Streams(journal, Observer(journal, None, keeps=True))
        messages, _ = await begun(streams)
        line(journal, 1)
        streams.close()
        assert (await read(messages))[0] == "events"
        assert [message async for message in messages] == []
        assert streams.open == 0

    asyncio.run(scene())
