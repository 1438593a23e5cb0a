"""`fclocal start` as a user starts it, once for all tests of a file: the file says which functions it has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.support.command import Meeting, Running, Workshop


@pytest.fixture(scope="module")
def meeting() -> Iterator[Meeting]:
    """Where functions wait for a test. An instance in a network of its own reaches only what listened before it."""
    place = Meeting()
    yield place
    place.close()


@pytest.fixture(scope="module")
def emulator(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, meeting: Meeting
) -> Iterator[Running]:
    """Runs the `RESOURCES` and `FILES` of the test's module, with its `OPTIONS`."""
    module = request.module
    workshop = Workshop(tmp_path_factory.mktemp("faces"))
    project = {"edition": "3.0.0", "name": "faces", "access": "default", "resources": module.RESOURCES}
    workshop.write({"s.yaml": yaml.safe_dump(project, sort_keys=False), **module.FILES})
    with workshop.started("--json", *getattr(module, "OPTIONS", ())) as running:
        yield running
