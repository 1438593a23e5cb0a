"""A folder whose paths are short enough for sockets."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A unix socket's path has at most 107 bytes, and pytest's own folders are long."""
    with tempfile.TemporaryDirectory(prefix="fcl") as folder:
        yield Path(folder)
