"""Which processes belong to which instance, where no control group and no pid namespace says so.

One look at /proc serves every instance of a run, and what was found out about a process is kept for as long as it
lives: its environment is read once, and who has left its parents behind is still known.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection

from msgspec import Struct

from emulator.sandbox import proctree

# How old a look may be for measuring; and looking may take a tenth of the time, however many processes there are.
_RECENT_SECONDS = 0.02
_SECONDS_PER_LOOK = 9.0


class _Known(Struct):
    """A process: `began` and its number name it for ever, `environ_at` changes when it becomes another program."""

    began: int
    environ_at: int
    owner: str


class Census:
    """Owners are marks, see `InstanceFolders.mark`; those of one run begin with `prefix`."""

    def __init__(self, prefix: str, now: Callable[[], float] = time.monotonic) -> None:
        self._prefix = prefix.encode()
        self._now = now
        self._known: dict[int, _Known] = {}
        self._members: dict[str, list[int]] = {}
        self._looked = float("-inf")
        self._took = 0.0

    def enroll(self, pid: int, owner: str) -> None:
        """A process that was started for `owner`: it counts, with all that comes from it, whatever it does."""
        found = proctree.stat(pid)
        if found is not None:
            self._known[pid] = _Known(found.began, found.environ_at, owner)
            self._members.setdefault(owner, []).append(pid)

    @property
    def recent(self) -> float:
        """The moment from which on a look still is good enough for measuring."""
        return self._now() - max(_RECENT_SECONDS, self._took * _SECONDS_PER_LOOK)

    def since(self, moment: float, owner: str) -> Collection[int]:
        """The living processes of `owner`, by a look that began no earlier than `moment` (of the monotonic clock)."""
        if self._looked < moment:
            self._look()
        return self._members.get(owner, ())

    def _look(self) -> None:
        began = self._now()
        stats = {pid: found for pid in proctree.all_pids() if (found := proctree.stat(pid)) is not None}
        self._known = {pid: self._recognize(pid, found) for pid, found in stats.items()}
        self._inherit(stats)
        self._members = {}
        for pid, found in stats.items():
            owner = self._known[pid].owner
            if owner and found.alive:
                self._members.setdefault(owner, []).append(pid)
        self._looked, self._took = began, self._now() - began

    def _recognize(self, pid: int, found: proctree.Stat) -> _Known:
        known = self._known.get(pid)
        if known is not None and known.began == found.began and (known.owner or known.environ_at == found.environ_at):
            return known
        return _Known(found.began, found.environ_at, self._mark_of(pid))

    def _mark_of(self, pid: int) -> str:
        """The mark in a process's environment, if it is one of this run."""
        try:
            entries = proctree.read(f"/proc/{pid}/environ").split(b"\0")
        except OSError:
            return ""
        return next((os.fsdecode(entry) for entry in entries if entry.startswith(self._prefix)), "")

    def _inherit(self, stats: dict[int, proctree.Stat]) -> None:
        """Whose parent, or the leader of whose session, belongs to an instance, belongs to it too."""
        heirs = [pid for pid in stats if not self._known[pid].owner]
        while heirs:
            for pid in heirs:
                self._known[pid].owner = self._owner_of(stats[pid].parent) or self._owner_of(stats[pid].session)
            without = [pid for pid in heirs if not self._known[pid].owner]
            if len(without) == len(heirs):
                return
            heirs = without

    def _owner_of(self, pid: int) -> str:
        known = self._known.get(pid)
        return known.owner if known is not None else ""
