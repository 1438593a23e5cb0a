"""Schedules as project files write them: a timer's `cronExpression`, and `scheduleExpression` (platform.md §4.3, §6.2).

All that reads raises `ValueError`, whose text says what is wrong. Loaded where a project has a schedule.
"""

from __future__ import annotations

import math
import re
import time
from datetime import datetime
from zoneinfo import ZoneInfo

from croniter import CroniterError

from emulator.model.durations import read_duration
from emulator.model.schedules import At, Cron, Every

EVERY = "@every"
ZONE = "CRON_TZ="
# As Go writes durations, which FC takes over.
_INTERVAL = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?(?:ms|[hms]))+\Z")
_SIGNS = r"(?:[0-9*,/?-]|(?<![A-Z])(?:{})(?![A-Z]))+\Z"
_MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_DAYS = "MON|TUE|WED|THU|FRI|SAT|SUN"
# Name, what it takes, the names in it. That FC takes no further signs, such as L and #, is UNCONFIRMED.
_FIELDS = (
    ("second", "0-59, * , - /", ""),
    ("minute", "0-59, * , - /", ""),
    ("hour", "0-23, * , - /", ""),
    ("day of the month", "1-31, * , - / ?", ""),
    ("month", "1-12, JAN-DEC, * , - /", _MONTHS),
    ("day of the week", "1-7, MON-SUN, * , - / ?", _DAYS),
)


def read_timer(text: str) -> Every | Cron:
    """`@every 5m`, or six fields, seconds first, in UTC or with `CRON_TZ=Asia/Shanghai` before them."""
    words = text.strip()
    if words.startswith(EVERY):
        return _read_every(words.removeprefix(EVERY).strip())
    if words.startswith("@"):
        raise ValueError(f"{text!r} is none of FC's: write @every 5m, or six fields")
    zone = "UTC"
    if words.startswith(ZONE):
        zone, _, words = words.removeprefix(ZONE).partition(" ")
        check_zone(zone)
    return _read_cron(words, zone)


def read_action(text: str, zone: str) -> Cron | At:
    """`cron(0 0 8 * * *)` or `at(2026-01-01T20:00:00)`, in a time zone that `check_zone` let through."""
    kind, _, rest = text.strip().partition("(")
    if not rest.endswith(")") or kind not in ("cron", "at"):
        raise ValueError(f"{text!r} is no schedule: write cron(0 0 8 * * *) or at(2026-01-01T20:00:00)")
    return _read_cron(rest[:-1], zone) if kind == "cron" else At(read_moment(rest[:-1], zone))


def read_moment(text: str, zone: str) -> float:
    """`2026-01-01T20:00:00`, in this time zone unless it names its own (`Z`, `+08:00`)."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no time: write it as 2026-01-01T20:00:00") from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(zone))).timestamp()


def check_zone(zone: str) -> None:
    """An IANA name of a time zone that is known here."""
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{zone!r} is no time zone: write a name such as Asia/Shanghai") from None


def _read_every(text: str) -> Every:
    if not _INTERVAL.match(text):
        raise ValueError(f"{text!r} is no interval: write hours, minutes and seconds, such as @every 1h30m")
    seconds = math.floor(read_duration(text))
    # FC's shortest interval is UNCONFIRMED (platform.md §12.3); its engine counts in whole seconds.
    if seconds < 1:
        raise ValueError(f"{text!r} is too short: an interval is whole seconds")
    return Every(float(seconds))


def _read_cron(text: str, zone: str) -> Cron:
    fields = text.split()
    if len(fields) != len(_FIELDS):
        names = ", ".join(name for name, _, _ in _FIELDS)
        raise ValueError(f"{text!r} has {len(fields)} fields, but FC takes six: {names}")
    for place, field in enumerate(fields):
        _check_field(place, field)
    cron = Cron(" ".join(fields), zone)
    if cron.after(time.time()) is None:
        raise ValueError(f"{text!r} never comes: there is no such day")
    return cron


def _check_field(place: int, field: str) -> None:
    name, takes, names = _FIELDS[place]
    others = ["*"] * len(_FIELDS)
    others[place] = field
    try:
        if not re.match(_SIGNS.format(names or "(?!)"), field, re.IGNORECASE):
            raise ValueError
        Cron(" ".join(others)).walk(0.0)
    except (CroniterError, ValueError):
        raise ValueError(f"{field!r} is nothing for the {name}, which takes {takes}") from None
