"""What happened lately, for who comes later: the last events, and fewer of those that are large."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from emulator.model.events import Event, InstanceTraced
from emulator.model.inner_events import FilesRead

# Some thousand invocations, at most some megabytes.
EVENTS_KEPT = 20_000
# Of each import, and of each file: of one cold start as much as of thousands of invocations.
LARGE: frozenset[type] = frozenset({InstanceTraced, FilesRead})
LARGE_KEPT = 200

Follower = Callable[[Sequence[Event]], None]


class History:
    """`feed` it every event in order, in batches."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        # Each with how many others had come before it.
        self._large: deque[tuple[int, Event]] = deque(maxlen=LARGE_KEPT)
        self._fed = 0
        self._followers: list[Follower] = []

    def feed(self, events: Sequence[Event]) -> None:
        small = [event for event in events if type(event) not in LARGE]
        if len(small) != len(events):
            before = self._fed
            for event in events:
                if type(event) in LARGE:
                    self._large.append((before, event))
                else:
                    before += 1
        self._events.extend(small)
        self._fed += len(small)
        for follower in self._followers:
            follower(events)

    def events(self) -> list[Event]:
        """What is kept, the oldest first."""
        return list(self._in_order())

    def _in_order(self) -> Iterator[Event]:
        number = self._fed - len(self._events)
        large = deque(pair for pair in self._large if pair[0] >= number)
        for event in self._events:
            while large and large[0][0] <= number:
                yield large.popleft()[1]
            yield event
            number += 1
        for _, event in large:
            yield event

    def follow(self, follower: Follower) -> None:
        """`follower` is given what is kept, and then each batch that comes."""
        follower(self.events())
        self._followers.append(follower)
