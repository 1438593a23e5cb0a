"""The Python bootstrap's own modules, imported as an instance imports them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

HOME = str(Path(__file__).parents[3] / "runtimes" / "python")


@pytest.fixture
def bootstrap() -> Iterator[Callable[[str], ModuleType]]:
    """A module of the bootstrap by name."""
    sys.path.insert(0, HOME)
    try:
        yield lambda name: importlib.import_module(f"_fclocal_bootstrap.{name}")
    finally:
        sys.path.remove(HOME)
