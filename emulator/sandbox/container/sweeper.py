"""Removal of what containers wrote as root, where the emulator is an ordinary user."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from emulator.model.errors import SandboxError
from emulator.sandbox.container.base_image import base_image
from emulator.sandbox.container.container import Container
from emulator.sandbox.container.engine import Engine
from emulator.sandbox.container.recipe import bind, system_binds

_INSIDE = "/mnt"


async def remove_foreign(engine: Engine, folder: Path, labels: Mapping[str, str]) -> None:
    """Remove a folder in which others than we have written, by a container that does nothing else.

    Nothing is raised: what can not be removed is left for the next start.
    """
    if os.geteuid() == 0 or not folder.exists():
        return
    config = {
        "Image": await base_image(engine),
        "Entrypoint": ["rm", "--recursive", "--force", "--", f"{_INSIDE}/{folder.name}"],
        "Labels": dict(labels),
        "HostConfig": {
            "NetworkMode": "none",
            "Mounts": [bind(folder.parent, _INSIDE, write=True), *system_binds()],
        },
    }
    with contextlib.suppress(SandboxError):
        container = await Container.create(engine, f"fclocal-sweep-{folder.name}", config, ())
        try:
            await container.start()
            await container.wait()
        finally:
            await container.remove()
