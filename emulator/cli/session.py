"""One run of the command line; every command is loaded after it, so it needs little itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from emulator.cli.terminal import Terminal

PROGRAM = "fclocal"
COMPLETE_VARIABLE = "_FCLOCAL_COMPLETE"


class Session(Struct):
    """`state_dir` is where a crash file goes, once it is known."""

    terminal: Terminal
    env: Mapping[str, str]
    state_dir: Path
