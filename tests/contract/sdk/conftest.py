"""`fclocal start` as a user starts it, once for all tests of a file; the clients know nothing but its port."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.sdk.sdk_project import files
from tests.support.command import Running, Workshop
from tests.support.mailbox import Mailbox


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    """Where the destination function sends what it gets."""
    box = Mailbox()
    yield box
    box.close()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory, mailbox: Mailbox) -> Iterator[Running]:
    workshop = Workshop(tmp_path_factory.mktemp("sdk"))
    workshop.write(files(mailbox.port))
    with workshop.started() as running:
        yield running
