"""What instances use of the cards that they hold, by what the driver says of their processes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from emulator.model.gpu import GpuShare, Vendor

# How often instances are looked at while there are some: what a program takes is taken within this time.
LOOK_SECONDS = 0.5
# Answers of the driver are shared by all who ask within this time.
FRESH_SECONDS = 0.05


class Driver(Protocol):
    """Who can say what processes use of a card: MB by pid of the host, None where it does not say."""

    def used(self, uuid: str) -> Mapping[int, float] | None: ...


class GpuUse:
    """One instance's share, and what it uses of it: MB on all its cards together, None where nobody can say.

    `members` are the pids of its processes.
    """

    def __init__(self, share: GpuShare, members: Callable[[], Iterable[int]], meter: GpuMeter) -> None:
        self.share = share
        self._members = members
        self._meter = meter
        # The sum over its cards, the largest since `begin`, and the largest on one card at the last look.
        self.used_mb: float | None = 0.0 if share.vendor is Vendor.FAKE else None
        self.peak_mb = self.used_mb
        self.most_mb = 0.0
        # It was ended since it used more than its share.
        self.ended_for_it = False

    @property
    def size_mb(self) -> int:
        """On all its cards together."""
        return self.share.size_mb * len(self.share.cards)

    @property
    def is_over(self) -> bool:
        """Whether it used more of a card than is its own, at the last look."""
        return not self.share.whole and self.most_mb > self.share.memory_mb

    def look(self, age: float = FRESH_SECONDS) -> None:
        """Ask the driver, unless somebody has within so many seconds; a few file reads and one call for each card."""
        if self.share.vendor is not Vendor.NVIDIA:
            return
        tables = [self._meter.used(card.uuid, age) for card in self.share.cards]
        known = [table for table in tables if table is not None]
        if len(known) < len(tables):
            self.used_mb = None
            return
        pids = set(self._members()) if any(known) else set()
        sums = [sum(mb for pid, mb in table.items() if pid in pids) for table in known]
        self.used_mb, self.most_mb = sum(sums), max(sums)
        self.peak_mb = max(self.peak_mb or 0.0, self.used_mb)


def begin(use: GpuUse | None) -> None:
    """The peak from now on starts with what it uses now."""
    if use is not None:
        use.look()
        use.peak_mb = use.used_mb


def peak_of(use: GpuUse | None) -> float | None:
    """MB, the most since `begin`; 0 without a card, None where nobody can say."""
    if use is None:
        return 0.0
    use.look(0.0)
    return use.peak_mb


def size_of(use: GpuUse | None) -> int:
    return use.size_mb if use is not None else 0


class GpuMeter:
    """Asks the driver for all, and looks at all in turn: `over` is called for each that uses more than its share."""

    def __init__(self, driver: Callable[[], Driver | None] = lambda: None) -> None:
        self._driver = driver
        self._answers: dict[str, tuple[float, Mapping[int, float] | None]] = {}
        self._watched: dict[GpuUse, Callable[[], None]] = {}
        self._looking: asyncio.Task[None] | None = None

    def used(self, uuid: str, age: float) -> Mapping[int, float] | None:
        now = time.monotonic()
        at, answer = self._answers.get(uuid, (0.0, None))
        if now - at > age:
            driver = self._driver()
            answer = driver.used(uuid) if driver is not None else None
            self._answers[uuid] = (now, answer)
        return answer

    def watch(self, use: GpuUse, over: Callable[[], None]) -> None:
        self._watched[use] = over
        if self._looking is None and use.share.vendor is Vendor.NVIDIA:
            self._looking = asyncio.get_running_loop().create_task(self._look())

    def leave(self, use: GpuUse) -> None:
        self._watched.pop(use, None)

    async def aclose(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
            self._looking = None

    async def _look(self) -> None:
        while True:
            for use, over in list(self._watched.items()):
                with contextlib.suppress(OSError):  # of processes that end meanwhile
                    use.look()
                if use.is_over:
                    over()
            await asyncio.sleep(LOOK_SECONDS)
