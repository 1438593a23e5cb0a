"""SIGTERM and a closed terminal end a command as Ctrl-C does: it leaves what it does, and clears it away. `start` has
rules of its own (signals.py)."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

# Those by which Python does not raise by itself.
ENDING = (signal.SIGTERM, signal.SIGHUP)


class Ended(KeyboardInterrupt):
    """Raised where Ctrl-C would raise, by the signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.strsignal(number))
        self.number = number


def exit_code(number: int) -> int:
    """128 + the signal's number, as a shell counts a process that was ended by it."""
    return 128 + number


@contextmanager
def raising() -> Iterator[None]:
    """`Ended` is raised by the first of these signals."""
    numbers = heard()

    def end(number: int, _frame: FrameType | None) -> None:
        deafen()
        raise Ended(number)

    before = [signal.signal(number, end) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def heard() -> Sequence[int]:
    """Without those that somebody keeps from us, as `nohup` does."""
    return [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]


def deafen() -> None:
    """One is enough: what is left to do is to clear away, and of a closed terminal both shell and kernel tell."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
