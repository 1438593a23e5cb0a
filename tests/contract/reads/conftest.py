"""The library is compiled once for all tests here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from emulator.instance.reads import FOLDER, compiled_library


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("native")
    compiled_library(cache)
    return cache


@pytest.fixture(autouse=True)
def compiled_before(native: Path, tmp_path: Path) -> None:
    shutil.copytree(native, tmp_path / ".fclocal" / FOLDER)
