"""Schedules: what FC's expressions mean, when their next and last times are, and what is none of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.config.schedules import check_zone, read_action, read_moment, read_timer
from emulator.model.provision import Minimum, Provision, ScheduledAction
from emulator.model.schedules import At, Cron, Every, show_moment


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def times(schedule: Cron, since: str, count: int) -> list[str]:
    moment, found = utc(since), []
    for _ in range(count):
        moment = schedule.after(moment)
        found.append(datetime.fromtimestamp(moment, UTC).strftime("%a %d %H:%M:%S"))
    return found


@pytest.mark.parametrize(
    ("expression", "since", "expected"),
    [
        ("*/20 * * * * *", "2026-01-01 00:00", ["Thu 01 00:00:20", "Thu 01 00:00:40", "Thu 01 00:01:00"]),
        ("0 0 8 * * *", "2026-01-01 08:00", ["Fri 02 08:00:00", "Sat 03 08:00:00"]),
        ("CRON_TZ=Asia/Shanghai 0 0 8 * * *", "2026-01-01 08:00", ["Fri 02 00:00:00", "Sat 03 00:00:00"]),
        ("15 30 9-11/2 ? * ?", "2026-01-01 10:00", ["Thu 01 11:30:15", "Fri 02 09:30:15"]),
        # Days of the week are 1 to 7 and MON to SUN, and the first is Monday (platform.md §6.2).
        ("0 0 0 ? * 1", "2026-01-01 00:00", ["Mon 05 00:00:00", "Mon 12 00:00:00"]),
        ("0 0 0 ? * 7", "2026-01-01 00:00", ["Sun 04 00:00:00", "Sun 11 00:00:00"]),
        ("0 0 0 ? * sun", "2026-01-01 00:00", ["Sun 04 00:00:00"]),
        ("0 0 0 ? * 6-7", "2026-01-01 00:00", ["Sat 03 00:00:00", "Sun 04 00:00:00", "Sat 10 00:00:00"]),
        ("0 0 0 ? * MON-FRI", "2026-01-02 00:00", ["Mon 05 00:00:00", "Tue 06 00:00:00"]),
        ("0 0 0 29 FEB ?", "2026-01-01 00:00", ["Tue 29 00:00:00"]),
        # Both days are given: either will do.
        ("0 0 12 1 * MON", "2026-10-25 12:30", ["Mon 26 12:00:00", "Sun 01 12:00:00", "Mon 02 12:00:00"]),
    ],
)
def test_the_next_times_of_an_expression(expression: str, since: str, expected: list[str]) -> None:
    schedule = read_timer(expression)
    assert isinstance(schedule, Cron)
    assert times(schedule, since, len(expected)) == expected


def test_where_the_clocks_change() -> None:
    """Berlin's jump from 2 to 3 on 29 March, and from 3 back to 2 on 25 October."""
    nightly = Cron("0 30 2 * * *", "Europe/Berlin")
    assert times(nightly, "2026-03-27 12:00", 3) == ["Sat 28 01:30:00", "Sun 29 01:00:00", "Mon 30 00:30:00"]
    assert times(nightly, "2026-10-24 12:00", 3) == ["Sun 25 00:30:00", "Sun 25 01:30:00", "Mon 26 01:30:00"]
    hourly = Cron("0 0 * * * *", "Europe/Berlin")
    assert times(hourly, "2026-10-24 23:00", 3) == ["Sun 25 00:00:00", "Sun 25 01:00:00", "Sun 25 02:00:00"]


def test_intervals_are_gos_and_count_from_their_beginning() -> None:
    assert [read_timer(f"@every {it}") for it in ("5m", "90s", "1h30m", "1.5h", "2500ms")] == [
        *map(Every, (300.0, 90.0, 5400.0, 5400.0, 2.0))
    ]
    began = utc("2026-01-01") + 0.25
    assert Every(300.0).after(began, began) == began + 300
    assert Every(300.0).after(began + 299.5, began) == began + 300
    assert Every(300.0).after(began + 300, began) == began + 600


@given(seconds=st.integers(1, 90_000), turns=st.integers(0, 1_000_000), began=st.floats(1.6e9, 2e9))
def test_an_interval_never_stands_still_and_leaves_none_out(seconds: int, turns: int, began: float) -> None:
    every = Every(float(seconds))
    moment = began + turns * seconds
    following = every.after(moment, began)
    assert following == pytest.approx(moment + seconds, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has 0 fields, but FC takes six"),
        ("0 8 * * *", "has 5 fields, but FC takes six: second, minute, hour, day of the month, month, day of the week"),
        ("0 0 8 * * * 2026", "has 7 fields"),
        ("60 0 8 * * *", "'60' is nothing for the second, which takes 0-59"),
        ("0 0 24 * * *", "'24' is nothing for the hour"),
        ("0 ? 8 * * *", "'?' is nothing for the minute"),
        ("*/0 * * * * *", "'*/0' is nothing for the second"),
        ("0 0 8 L * *", "'L' is nothing for the day of the month"),
        ("0 0 8 * JANUARY *", "'JANUARY' is nothing for the month"),
        ("0 0 8 * * 8", "'8' is nothing for the day of the week, which takes 1-7, MON-SUN"),
        ("0 0 8 * * MON#2", "'MON#2' is nothing for the day of the week"),
        ("R * * * * *", "'R' is nothing for the second"),
        ("0 0 8 31 APR ?", "never comes"),
        ("@daily", "write @every 5m, or six fields"),
        ("@every", "is no interval"),
        ("@every 1d", "write hours, minutes and seconds"),
        ("@every 5 m", "is no interval"),
        ("@every 999ms", "is too short"),
        ("@every 99999h", "more than a year"),
        ("CRON_TZ=Mars/Base 0 0 8 * * *", "'Mars/Base' is no time zone: write a name such as Asia/Shanghai"),
        ("CRON_TZ=../../etc/passwd 0 0 8 * * *", "is no time zone"),
    ],
)
def test_what_is_no_expression_is_told(text: str, said: str) -> None:
    with pytest.raises(ValueError) as told:
        read_timer(text)
    assert said in str(told.value)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (read_timer, lambda it: read_action(it, "UTC"), lambda it: read_action(f"cron({it})", "UTC")):
        try:
            assert isinstance(read(text), Every | Cron | At)
        except ValueError as error:
            assert str(error)


def test_actions_are_cron_or_a_moment_in_their_time_zone() -> None:
    assert read_action("cron(0 0 20 * * *)", "Asia/Shanghai") == Cron("0 0 20 * * *", "Asia/Shanghai")
    assert read_action("at(2026-01-01T20:00:00)", "Asia/Shanghai") == At(utc("2026-01-01 12:00"))
    assert read_action("at(2026-01-01T20:00:00Z)", "Asia/Shanghai") == At(utc("2026-01-01 20:00"))
    assert read_moment("2022-11-03T10:00:00.000Z", "UTC") == utc("2022-11-03 10:00")
    for wrong in ("rate(5 minutes)", "at(tomorrow)", "cron(0 0 20 * *)", "cron(0 0 20 * * *", "0 0 20 * * *"):
        with pytest.raises(ValueError):
            read_action(wrong, "UTC")
    with pytest.raises(ValueError):
        check_zone("Nowhere")


def test_moments_are_shown_as_in_fcs_events() -> None:
    assert show_moment(utc("2026-01-01 00:05")) == "2026-01-01T00:05:00Z"
    assert show_moment(utc("2026-01-01 00:05") - 1e-4) == "2026-01-01T00:05:00Z", "a timer may be a little early"


# --- provisioning ---

SHANGHAI = "Asia/Shanghai"


def minimum(provision: Provision, moment: str) -> tuple[int, str]:
    found = provision.at(utc(moment))
    return found.target, found.action


def test_fcs_own_example_goes_up_at_eight_and_down_at_ten() -> None:
    """By two actions, from August 1 to August 30, 10:00 in Shanghai, which is 02:00 UTC."""
    start, end = utc("2024-08-01 02:00"), utc("2024-08-30 02:00")
    up = ScheduledAction("up", 50, Cron("0 0 20 * * *", SHANGHAI), start, end)
    down = ScheduledAction("down", 10, Cron("0 0 22 * * *", SHANGHAI), start, end)
    provision = Provision(1, (up, down))
    assert minimum(provision, "2024-08-01 11:59:59") == (1, ""), "neither has come since it holds"
    assert minimum(provision, "2024-08-01 12:00:00") == (50, "up")
    assert minimum(provision, "2024-08-01 13:59:59") == (50, "up")
    assert minimum(provision, "2024-08-01 14:00:00") == (10, "down")
    assert minimum(provision, "2024-08-02 12:00:00") == (50, "up")
    assert minimum(provision, "2024-08-30 02:00:00") == (1, ""), "both are over"
    changes, moment = [], utc("2024-08-29 00:00")
    while (moment := provision.next(moment)) is not None:
        changes.append(show_moment(moment))
    assert changes == ["2024-08-29T12:00:00Z", "2024-08-29T14:00:00Z", "2024-08-30T02:00:00Z"]


def test_of_actions_that_come_at_once_the_largest_holds_also_below_the_default() -> None:
    noon = Cron("0 0 12 * * *")
    provision = Provision(9, (ScheduledAction("a", 2, noon), ScheduledAction("b", 3, noon)))
    assert minimum(provision, "2026-01-01 12:00") == (3, "b")
    assert Provision(9).at(0.0) == Minimum(9) and not Provision() and Provision(actions=provision.actions)


def test_a_moment_comes_once_and_holds_until_its_end() -> None:
    start, moment, end = (utc(f"2026-01-01 {it}") for it in ("10:00", "11:00", "12:00"))
    provision = Provision(0, (ScheduledAction("once", 4, At(moment), start, end),))
    assert [provision.at(it).target for it in (start, moment - 1, moment, end - 1, end)] == [0, 0, 4, 4, 0]
    assert [provision.next(it) for it in (start, moment, end)] == [moment, end, None]
    early = Provision(0, (ScheduledAction("early", 4, At(start - 60), start, end),))
    assert early.at(moment).target == 0, "it came before it held"


def test_an_action_that_comes_as_it_begins_to_hold() -> None:
    start = utc("2026-01-01 12:00")
    provision = Provision(0, (ScheduledAction("noon", 4, Cron("0 0 12 * * *"), start),))
    assert provision.next(start - 3600) == start and provision.at(start).target == 4
