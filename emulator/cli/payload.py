"""The event of one invocation: from the command line, a file, or a pipe."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from emulator.model.errors import UserError
from emulator.model.function import Place
from emulator.model.limits import SYNC_PAYLOAD_BYTES

# After this, somebody may wonder why nothing happens.
SILENT_SECONDS = 2.0


def read_event(text: str | None, file: str | None, from_stdin: bool, tell: Callable[[str], None]) -> bytes:
    """The event's bytes, untouched. Without any it is empty, as with `s local invoke`. Raises `UserError`."""
    given = [flag for flag, there in (("-e", text is not None), ("-f", file is not None), ("-s", from_stdin)) if there]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} exclude each other", "give one of them")
    if text is not None:
        return os.fsencode(text)
    if file == "-" or from_stdin or (file is None and _is_fed()):
        return _read_stdin(tell)
    return _read_file(Path(file).expanduser()) if file is not None else b""


def _is_fed() -> bool:
    """True where stdin is a pipe or a file: a terminal, /dev/null or a closed stdin is no event."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def _read_stdin(tell: Callable[[str], None]) -> bytes:
    ready, _, _ = select.select([sys.stdin], [], [], SILENT_SECONDS)
    if not ready:
        tell("Waiting for the event on stdin; -e '' is an empty event.")
    return _bounded(sys.stdin.buffer.read(SYNC_PAYLOAD_BYTES + 1), "stdin")


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return _bounded(stream.read(SYNC_PAYLOAD_BYTES + 1), str(path))
    except OSError as error:
        raise UserError(f"the event can not be read: {error.strerror}", "check the path", Place(str(path))) from None


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > SYNC_PAYLOAD_BYTES:
        raise UserError(
            f"the event is larger than {SYNC_PAYLOAD_BYTES // 1024 // 1024} MB, which FC refuses",
            "hand over where the data is, such as an OSS object",
            Place(name),
        )
    return data
