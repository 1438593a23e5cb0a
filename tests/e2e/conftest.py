"""Each test has a project folder of its own; every test here runs the command itself."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Meeting, Workshop, as_ordinary_user


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture(params=["this user", "an ordinary user"])
def anybodys(request: pytest.FixtureRequest) -> Iterator[Workshop]:
    """A workshop for whoever runs the tests, and one for a user without any right."""
    if request.param == "this user":
        yield request.getfixturevalue("workshop")
        return
    # pytest's own folders let nobody else in.
    folder = Path(tempfile.mkdtemp(prefix="fclocal-e2e-"))
    folder.chmod(0o777)
    try:
        yield Workshop(folder, as_ordinary_user())
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def meeting() -> Iterator[Meeting]:
    place = Meeting()
    yield place
    place.close()
