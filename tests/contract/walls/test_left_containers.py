"""Containers of an emulator that is gone: several that start at once clear them away, and all of them start."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import docker
import pytest

from emulator.sandbox.container import labels
from emulator.sandbox.container.engine import Engine
from emulator.sandbox.container.leftovers import remove_left
from tests.support.engine import asked, containers_of, needs_engine
from tests.support.images import bare_python
from tests.support.relay import relayed

DOCKER = Path("/var/run/docker.sock")
LEFT_PAUSED = "paused-and-left"

pytestmark = [needs_engine, pytest.mark.skipif(not DOCKER.exists(), reason=f"no engine listens on {DOCKER}")]


def test_one_that_somebody_else_lets_go_on_meanwhile_is_removed_all_the_same() -> None:
    async def main(address: str, container: str) -> None:
        engine = await Engine.connect({**os.environ, "DOCKER_HOST": address})
        try:
            removing = asyncio.create_task(remove_left(engine))
            with asked() as api:
                # Another emulator, which hears that it is paused just as we do. It may also be removed by one by now.
                with contextlib.suppress(docker.errors.APIError):
                    await asyncio.sleep(0.2)
                    api.unpause(container)
                await removing
        finally:
            await engine.aclose()

    owner = {**labels.of_run(LEFT_PAUSED), labels.STARTED: "0"}
    with asked() as api, relayed(DOCKER, held="/unpause") as address:
        made = api.create_container(bare_python(), ["python3", "-c", "import time; time.sleep(600)"], labels=owner)
        with contextlib.suppress(docker.errors.NotFound):
            api.start(made["Id"])
            api.pause(made["Id"])
        asyncio.run(main(address, made["Id"]))
    assert containers_of(LEFT_PAUSED) == []
