"""Time is a parameter, so that tests and the platform's own timers can be given another one."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds that never run backwards; only differences mean something."""
        ...

    def time(self) -> float:
        """Unix time in seconds."""
        ...


class SystemClock:
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)
