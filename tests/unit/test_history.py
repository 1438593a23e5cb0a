"""What is kept of the journal: in order, bounded, and less of what is large."""

from __future__ import annotations

from emulator.journal import history as histories
from emulator.journal.history import EVENTS_KEPT, LARGE_KEPT, History
from emulator.model.events import Event, InstanceTraced, LogLine


def line(number: int) -> LogLine:
    return LogLine(float(number), "hello", "c-1", "", str(number))


def traced(number: int) -> InstanceTraced:
    return InstanceTraced(float(number), f"c-{number}", "hello", ())


def test_events_stay_in_order_wherever_the_large_ones_stand():
    history = History()
    events: list[Event] = [traced(0), line(1), traced(2), traced(3), line(4), line(5), traced(6)]
    history.feed(events[:3])
    history.feed(events[3:5])
    history.feed(events[5:])
    assert history.events() == events


def test_the_oldest_make_room_of_each_kind():
    history = History()
    for number in range(0, 30_000, 100):
        history.feed([traced(number), *(line(number + one) for one in range(1, 100))])
    kept = history.events()
    lines = [event for event in kept if isinstance(event, LogLine)]
    large = [event for event in kept if isinstance(event, InstanceTraced)]
    assert len(lines) == EVENTS_KEPT and lines[-1] == line(29_999)
    assert len(large) == LARGE_KEPT and large[-1] == traced(29_900)
    assert [event.at for event in kept] == sorted(event.at for event in kept)


def test_a_large_one_is_not_kept_without_those_around_it(monkeypatch):
    monkeypatch.setattr(histories, "EVENTS_KEPT", 3)
    history = History()
    history.feed([line(1), traced(2), line(3), line(4), line(5), line(6)])
    assert history.events() == [line(4), line(5), line(6)]


def test_a_follower_misses_nothing_and_gets_nothing_twice():
    history, seen = History(), []
    history.feed([line(1), traced(2)])
    history.follow(seen.extend)
    history.feed([line(3)])
    history.feed([traced(4), line(5)])
    assert [event.at for event in seen] == [1, 2, 3, 4, 5]
