"""What an emulator that was started with `--json` has told so far."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def events(log: Path) -> Iterator[dict[str, Any]]:
    """The journal's events, in order."""
    # What follows the last line end is still being written.
    lines = log.read_text(encoding="utf-8").split("\n")[:-1]
    return (json.loads(line) for line in lines if line.startswith("{"))
