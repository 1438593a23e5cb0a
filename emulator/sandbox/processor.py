"""What processes themselves take of time, whatever else a machine does: what they compute, and what they wait for.

By the kernel's own counts (Documentation/scheduler/sched-stats.rst): a process that is ready to run and does not, since
others have the processors or its limit holds it back, loses time that is not its own.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping

from msgspec import Struct

from emulator.sandbox.proctree import read


class Moment(Struct, frozen=True):
    """Of a process's main thread: when it was looked at, how long it had run until then, and how long it had been ready
    to run without doing so. Seconds."""

    at: float
    ran: float
    ready: float


class Own(Struct, frozen=True):
    """Seconds: `computed` by all threads of all processes, `waited` by the one that computed most, of its own accord:
    for files, the network, other processes, or asleep. Both are 0 where no kernel counts."""

    computed: float = 0.0
    waited: float = 0.0


def look(pid: int) -> Moment | None:
    """None where the process is gone, or nothing is counted."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        ran, ready, *_ = read(f"/proc/{pid}/schedstat").split()
        return Moment(time.monotonic(), int(ran) / 1e9, int(ready) / 1e9)
    return None


def own_time(pids: Iterable[int], first: Mapping[int, Moment], before: float = 0.0) -> Own:
    """Of these processes until now; waiting is counted from the `first` look at a process on. `before` is what they
    had computed when it began to matter. Processes that have ended are left out."""
    computed = {pid: _computed(pid) for pid in pids}
    if not computed:
        return Own()
    main = max(computed, key=computed.__getitem__)
    then, now = first.get(main), look(main)
    waited = 0.0
    if then is not None and now is not None:
        waited = max(0.0, (now.at - then.at) - (now.ran - then.ran) - (now.ready - then.ready))
    return Own(max(0.0, sum(computed.values()) - before), waited)


def _computed(pid: int) -> float:
    # The kernel's clock of a process: MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of posix-timers.h.
    with contextlib.suppress(OSError):
        return time.clock_gettime(~pid << 3 | 2)
    return 0.0
