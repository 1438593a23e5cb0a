"""For all tests: generated examples may take as long as they take, since machines are shared; and Ctrl-C works in what
they start, also where a shell started them in the background, which ignores it then."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Of the longest files first, so that no worker is left with one of them when the others have nothing to do any more.
_FIRST = ("e2e/test_bench.py", "e2e/", "browser/", "contract/walls/", "contract/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        place = item.path.relative_to(here).as_posix()
        return next((number for number, start in enumerate(_FIRST) if place.startswith(start)), len(_FIRST))

    items.sort(key=rank)
