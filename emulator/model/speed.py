"""How fast something is that functions are read from, or that has to come before they start."""

from __future__ import annotations

import math
import re

from msgspec import Struct

from emulator.model.durations import read_duration
from emulator.model.limits import MB

_UNITS = {"KB": 1024.0, "MB": float(MB), "GB": 1024.0 * MB, "KIB": 1024.0, "MIB": float(MB), "GIB": 1024.0 * MB}
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([KMG]i?B)/s", re.IGNORECASE)
_OFF = "off"
EXAMPLE = "write a speed such as 150MB/s, one with a latency for each request such as 100MB/s,2ms, or off"


class Speed(Struct, frozen=True):
    """Bytes per second, and seconds for each request beside those of its bytes. An infinite rate is no limit."""

    rate: float
    latency: float = 0.0

    @property
    def limited(self) -> bool:
        return not math.isinf(self.rate)

    def seconds(self, size: float) -> float:
        """For one transfer of so many bytes."""
        return self.latency + size / self.rate

    def __str__(self) -> str:
        if not self.limited:
            return _OFF
        latency = f",{self.latency * 1000:g}ms" if self.latency else ""
        return f"{self.rate / MB:g}MB/s{latency}"


def read_speed(text: str) -> Speed:
    """`100MB/s,2ms`; a MB is 1024 × 1024 bytes, as of memory. Raises `ValueError`, whose text says what is wrong."""
    if text.strip().lower() == _OFF:
        return Speed(math.inf)
    rate, comma, latency = text.partition(",")
    found = _RATE.fullmatch(rate.strip())
    if found is None or float(found[1]) == 0:
        raise ValueError(EXAMPLE)
    seconds = 0.0
    if comma:
        try:
            seconds = read_duration(latency)
        except ValueError:
            raise ValueError(EXAMPLE) from None
    if seconds > 60:
        raise ValueError("give a latency of at most a minute")
    return Speed(float(found[1]) * _UNITS[found[2].upper()], seconds)
