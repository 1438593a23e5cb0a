"""What is metered of a function's life: stretches of service, idle time that is paid for, and how both are rounded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from emulator.journal.billing import together
from emulator.journal.counters import Counters
from emulator.journal.prices import read_prices
from emulator.journal.requests import Session
from emulator.journal.usage import HOUR, Meter, Used
from emulator.model.events import ClockAdvanced, Event, HookEnded, HookStarted, InstanceResumed, SessionUsed
from tests.support.journal_facts import INSTANCE, NAME, appeared, begun, call, deployed, ended, gone, initialized

T4 = {"gpu_type": "fc.gpu.tesla.1", "gpu_memory_mb": 16_384}


def counters(events: Iterable[Event], **size: Any) -> Counters:
    """Of a function of this size, after these events."""
    counted = Counters(0.0, None)
    counted.feed([deployed(**size), *events])
    return counted


def meter(events: Iterable[Event], until: float | None = None, **size: Any) -> Meter:
    found = counters(events, **size).meter
    if until is not None:
        found.settle(until)
    return found


def used(events: Iterable[Event], until: float | None = None, **size: Any) -> Used:
    sizes = meter(events, until, **size).hours.values()
    return together(used for by_size in sizes for used in by_size.values())


def test_on_demand_time_is_rounded_up_to_a_millisecond_call_by_call():
    events = [*appeared(0), *call(1, 0.0531), *call(2, 0.053), *call(3, 0.0001)]
    assert used(events) == Used(active_ms=54 + 53 + 1, calls=3)


def test_an_idle_instance_on_demand_costs_nothing():
    assert used([*appeared(0), *call(1, 0.5), *gone(300)]) == Used(active_ms=500, calls=1)


def test_with_concurrency_it_is_from_the_first_start_to_the_last_end():
    """0 to 0.4 s and 0.1 to 0.9004 s are 901 ms, then a gap, then 100 ms."""
    events = [
        *appeared(0),
        begun(10.0, "a"),
        begun(10.1, "b"),
        ended(10.4, 400, "a"),
        ended(10.9004, 800.4, "b"),
        *call(20, 0.1),
    ]
    assert used(events, instance_concurrency=10) == Used(active_ms=1001, calls=3)


def test_the_initializer_is_paid_for_as_a_request_and_is_none():
    assert used([*appeared(0), *initialized(0, 0.2), *call(1, 0.1)]) == Used(active_ms=300, calls=1)


@pytest.mark.parametrize("hook", ["PreFreeze", "PreStop"])
def test_other_hooks_are_free(hook):
    events = [HookStarted(2, "r", NAME, INSTANCE, hook), HookEnded(3, "r", NAME, INSTANCE, hook, 1000)]
    assert used([*appeared(0), *call(1, 0.1), *events]) == Used(active_ms=100, calls=1)


def test_a_cards_time_is_rounded_up_to_a_second():
    assert used([*appeared(0), *call(1, 0.2), *call(3, 1.001)], **T4) == Used(active_ms=3000, calls=2)


def test_a_provisioned_instance_is_idle_when_it_serves_nothing_and_its_life_is_rounded_up_to_ten_seconds():
    """Life 61.5 s, rounded up to 70 s; 1.5 s of it are active."""
    events = [*appeared(0, provisioned=True), *call(5, 1.5), *gone(61.5)]
    assert used(events) == Used(active_ms=1500, idle_ms=68_500, calls=1)


def test_a_provisioned_card_is_rounded_up_to_a_second():
    events = [*appeared(0, provisioned=True), *call(5, 1.25), *gone(61.5)]
    assert used(events, **T4) == Used(active_ms=1250, idle_ms=60_750, calls=1)


def test_a_provisioned_instance_that_is_still_there_is_counted_until_now_and_not_twice():
    found = meter([*appeared(0, provisioned=True), *call(5, 1)], until=10)
    for now in (10.0, 11.5):
        found.settle(now)
    total = together(used for sizes in found.hours.values() for used in sizes.values())
    assert total == Used(active_ms=1000, idle_ms=10_500, calls=1)


def test_an_instance_that_is_kept_on_purpose_is_idle_for_that_long():
    """`idleTimeout` of 300 s: 100 s between two calls, then 300 of the 500 s until its end."""
    events = [*appeared(0), *call(10, 1), *call(111, 1), *gone(612)]
    assert used(events, idle_timeout=300.0) == Used(active_ms=2000, idle_ms=400_000, calls=2)


def test_fcs_own_delay_counts_where_the_price_list_has_it_but_not_for_cards():
    prices = read_prices(None)
    for size, idle in (({}, 60_000), (T4, 0)):
        found = Meter(0.0, prices.rounding, release_delay=60.0)
        for event in [deployed(**size), *appeared(0)]:
            for kind, taker in found.takers.items():
                if type(event) is kind:
                    taker(event)
        found.took(NAME, call(1, 1))
        found.settle(500)
        assert together(used for it in found.hours.values() for used in it.values()).idle_ms == idle


def test_time_in_the_debugger_is_not_counted():
    events = [*appeared(0), begun(1, "a"), begun(1, "b"), InstanceResumed(4, INSTANCE, NAME, 2500)]
    events += [ended(5, 1500, "a"), ended(5, 1500, "b")]
    assert used(events, instance_concurrency=2) == Used(active_ms=1500, calls=2)


def test_an_advance_of_the_platforms_clock_is_idle_time(monkeypatch):
    """10 s, then two hours ahead, then 10 s; the first hour began 1000 s before."""
    monkeypatch.setattr("time.time", lambda: 100 * HOUR + 1000.0)
    events = [*appeared(0, provisioned=True), *call(2, 1), ClockAdvanced(10, 2.0 * HOUR, 2.0 * HOUR)]
    found = meter(events, until=20)
    assert {hour: list(sizes.values()) for (hour, _), sizes in found.hours.items()} == {
        100: [Used(active_ms=1000, idle_ms=2_599_000, calls=1)],
        101: [Used(idle_ms=3_600_000)],
        102: [Used(idle_ms=1_020_000)],
    }


def test_each_hour_gets_its_part(monkeypatch):
    """The clock of the journal is at 0 an hour and 10 s before a full hour of Unix time."""
    monkeypatch.setattr("time.time", lambda: 1000 * HOUR - HOUR - 10.0)
    found = meter([*appeared(0), *call(3600, 30)])
    assert {hour: list(sizes.values()) for (hour, _), sizes in found.hours.items()} == {
        999: [Used(active_ms=10_000)],
        1000: [Used(active_ms=20_000, calls=1)],
    }


def test_requests_and_sessions_are_remembered():
    events = [
        *appeared(0),
        SessionUsed(1, "a", NAME, "s-1"),
        *call(1, 0.1, "a"),
        *call(2, 0.2, "b"),
        SessionUsed(2.3, "b", NAME, "s-1"),  # the function made the session, and its answer named it
        *call(3, 0.4, "c"),
    ]
    found = counters(events).requests
    assert [(it.request_id, it.session_id, it.used.active_ms) for it in found.last(10)] == [
        ("a", "s-1", 100),
        ("b", "s-1", 200),
        ("c", "", 400),
    ]
    (size,) = found.sessions["s-1"].used
    assert found.sessions == {"s-1": Session(NAME, {size: Used(active_ms=300, calls=2)})}


def test_what_is_remembered_is_bounded():
    events: list[Event] = [*appeared(0)]
    for number in range(3000):
        events += [SessionUsed(number, f"r{number}", NAME, f"s{number}"), *call(number, 0.1, f"r{number}")]
    found = counters(events).requests
    assert [it.request_id for it in found.last(5000)][-1] == "r2999"
    assert len(found.last(5000)) == len(found.sessions) == 1000
