"""Many deadlines of one length, one timer."""

from __future__ import annotations

import asyncio
import weakref

from emulator.instance.deadlines import SLACK, Deadlines


class Entry:
    def __init__(self, then: asyncio.Event | None = None) -> None:
        self.ended = False
        self.expired = 0
        self._then = then

    def due(self) -> None:
        self.expired += 1
        if self._then is not None:
            self._then.set()


async def at(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), 20)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_what_has_not_ended_in_time_expires_once_and_in_order():
    async def main() -> None:
        deadlines = Deadlines(0.02)
        order: list[int] = []
        done = asyncio.Event()

        class Numbered(Entry):
            def __init__(self, number: int) -> None:
                super().__init__(done if number == 4 else None)
                self.number = number

            def due(self) -> None:
                order.append(self.number)
                super().due()

        entries = [Numbered(number) for number in range(5)]
        entries[2].ended = True
        for entry in entries:
            deadlines.add(now(), entry)
        await at(done)
        assert order == [0, 1, 3, 4]
        last = Entry(again := asyncio.Event())
        deadlines.add(now(), last)
        await at(again)
        assert [it.expired for it in entries] == [1, 1, 0, 1, 1] and last.expired == 1

    asyncio.run(main())


def test_a_deadline_is_never_early_though_an_older_one_sets_the_timer():
    async def main() -> None:
        deadlines = Deadlines(0.5)
        first, second = Entry(), Entry(due := asyncio.Event())
        deadlines.add(now(), first)
        await asyncio.sleep(0.02)
        added = now()
        deadlines.add(added, second)
        first.ended = True
        await at(due)
        # The event loop's clock has a grain of a millisecond.
        assert now() - added > 0.5 - 0.002
        assert first.expired == 0

    asyncio.run(main())


def test_what_has_ended_is_let_go_also_behind_one_that_lasts():
    async def main() -> None:
        deadlines = Deadlines(3600.0)
        lasting = Entry()
        deadlines.add(now(), lasting)
        ended = []
        for _ in range(2 * SLACK):
            entry = Entry()
            entry.ended = True
            ended.append(weakref.ref(entry))
            deadlines.add(now(), entry)
        del entry
        assert sum(it() is not None for it in ended) <= SLACK + 1
        deadlines.close()

    asyncio.run(main())


def test_after_close_nothing_expires():
    async def main() -> None:
        deadlines, entry = Deadlines(0.001), Entry()
        deadlines.add(now(), entry)
        deadlines.close()
        later, due = Deadlines(0.02), asyncio.Event()
        later.add(now(), Entry(due))
        await at(due)
        assert entry.expired == 0

    asyncio.run(main())
