"""One run of the command line; every command is loaded after it, so it needs little itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emulator.cli.terminal import Terminal

PROGRAM = "fclocal"
COMPLETE_VARIABLE = "_FCLOCAL_COMPLETE"


@dataclass(slots=True)
class Session:
    """`state_dir` is where a crash file goes, once it is known."""

    terminal: Terminal
    env: Mapping[str, str]
    state_dir: Path
