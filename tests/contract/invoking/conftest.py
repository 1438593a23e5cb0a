"""Each file of tests has one project and one started emulator, which its `project` fixture writes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.invoking.invoking_project import Web
from tests.support.command import Running, Workshop


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("invoking"))


@pytest.fixture(scope="module")
def arguments() -> tuple[str, ...]:
    """What `fclocal start` is given besides; a file of tests may have its own."""
    return ()


@pytest.fixture(scope="module")
def emulator(workshop: Workshop, project: None, arguments: tuple[str, ...]) -> Iterator[Running]:
    with workshop.started("--json", *arguments) as running:
        yield running


@pytest.fixture(scope="module")
def web(emulator: Running) -> Web:
    return Web(emulator)
