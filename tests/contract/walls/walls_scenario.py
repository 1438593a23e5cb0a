"""What every file of scenarios shares. Standard library only: an ordinary user's Python may have nothing else."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from typing import NoReturn

SYSTEM_PYTHON = "/usr/bin/python3"
UNUSABLE = 77  # exit status of a scenario whose facility is absent; the reason is the last line of its errors
PATIENCE_MS = 20_000


class Unusable(Exception):
    """What a scenario needs is not here."""


def unusable(reason: str) -> NoReturn:
    raise Unusable(reason)


def as_program(run: Callable[[], object]) -> None:
    try:
        run()
    except Unusable as absent:
        print(absent, file=sys.stderr)
        sys.exit(UNUSABLE)


def wait_for_end(pidfd: int) -> None:
    """Until that process has ended, which must not take for ever."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(PATIENCE_MS), "the process still runs"
    os.close(pidfd)
