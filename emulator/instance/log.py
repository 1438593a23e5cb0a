"""Where the lines of an instance go: into the journal, and into the tail of the request they belong to."""

from __future__ import annotations

from collections import deque

from emulator.instance.protocol import LogTail
from emulator.journal.journal import Journal
from emulator.model.events import LogLine

# What a failed start shows: the last lines before it, FC's own message carries the captured output.
BIRTH_LINES = 40
# What is kept for whoever looks into a failure, and how much of a line.
RECENT_LINES = 100
RECENT_BYTES = 2000


class InstanceLog:
    """Gives each line to the request that is running, if there is exactly one (instance concurrency 1)."""

    def __init__(self, journal: Journal, function: str, instance_id: str) -> None:
        self._journal = journal
        self._function = function
        self._instance_id = instance_id
        self._request_id = ""
        self._tail: LogTail | None = None
        self._birth: deque[bytes] | None = deque(maxlen=BIRTH_LINES)
        self._recent: deque[bytes] = deque(maxlen=RECENT_LINES)

    def line(self, data: bytes) -> None:
        if self._birth is not None:
            self._birth.append(data)
        self._recent.append(data[:RECENT_BYTES])
        if self._tail is not None:
            self._tail.add(data)
        self._journal.append(
            LogLine(
                self._journal.now(),
                self._function,
                self._instance_id,
                self._request_id,
                data.decode("utf-8", "replace"),
            )
        )

    def begin(self, request_id: str, tail: LogTail | None) -> None:
        self._request_id = request_id
        self._tail = tail

    def end(self) -> None:
        self._request_id = ""
        self._tail = None

    def born(self) -> None:
        """The instance is up: stop keeping lines for a failed start."""
        self._birth = None

    def recent(self) -> list[str]:
        """The last lines, whichever request they belong to."""
        return [line.decode("utf-8", "replace") for line in self._recent]

    def birth_text(self) -> str:
        return b"\n".join(self._birth or ()).decode("utf-8", "replace")
