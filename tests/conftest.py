"""Marks the tests of `known_failures.txt`: they still run, and their outcome is printed."""

from __future__ import annotations

from pathlib import Path

import pytest

LISTED = Path(__file__).with_name("known_failures.txt")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    lines = LISTED.read_text(encoding="utf-8").splitlines()
    known = [line for line in lines if line and not line.startswith("#")]
    for item in items:
        if any(part in item.nodeid for part in known):
            item.add_marker(pytest.mark.xfail(reason="tests/known_failures.txt", strict=False))
