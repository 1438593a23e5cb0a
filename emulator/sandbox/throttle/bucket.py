"""How long a request has to wait where a disk or a share has only so much bandwidth (pure)."""

from __future__ import annotations

# Who asks again this soon after the last transfer had ended was only late: else each late wake-up would be lost
# bandwidth. Who comes later finds a disk that was idle, and that has saved up nothing.
LATE_SECONDS = 0.005
# What is read ahead of a reader who goes on in a file: 15 MB, as a client of NFS does (15 times rsize). On a machine
# that is busy, that is what makes the figure right.
AHEAD_BYTES = 15 * 1024 * 1024


class Bucket:
    """The bandwidth of one disk or share, in bytes per second; who shares it shares this object."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._free_at = 0.0

    def take(self, size: int, now: float, *, goes_on: bool = False) -> float:
        """When a transfer of this size that is asked for now has ended. `goes_on`: it follows on the last one of its
        file, and so was on its way already."""
        late = AHEAD_BYTES / self.rate if goes_on else LATE_SECONDS
        begins = self._free_at if now - self._free_at < late else now
        self._free_at = begins + size / self.rate
        return max(self._free_at, now)
