"""What emulators that are gone left in the engine."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from emulator.model.errors import SandboxError
from emulator.sandbox.container import labels
from emulator.sandbox.container.base_image import REPOSITORY
from emulator.sandbox.container.container import Container
from emulator.sandbox.container.engine import Absent, Api, Engine
from emulator.sandbox.container.remnants import thaw

_RUNNING = ("running", "paused", "restarting")


async def remove_left(engine: Engine, *, stopped: bool = False) -> list[str]:
    """Containers and volumes whose owner is gone, removed; what they were. Raises `SandboxError`.

    With `stopped`, also containers that do not run and whose owner was on another machine, or on this one before it
    was started again.
    """
    removed: list[str] = []
    for found in await engine.call(Api.containers, all=True, filters={"label": labels.RUN}):
        owner = found["Labels"]
        if labels.is_left(owner) or (stopped and found["State"] not in _RUNNING and not labels.is_here(owner)):
            await _remove(engine, str(found["Id"]))
            removed.append(f"container {found['Names'][0].lstrip('/')}")
    volumes = await engine.call(Api.volumes, filters={"label": labels.RUN})
    for volume in volumes.get("Volumes") or ():
        if labels.is_left(volume["Labels"] or {}):
            try:
                await engine.call(Api.remove_volume, volume["Name"])
            except SandboxError:  # gone, or it goes with a container that another emulator is removing
                continue
            removed.append(f"volume {volume['Name'][:12]}")
    return removed


async def remove_images(engine: Engine) -> list[str]:
    """Images that we made and no container uses. Raises `SandboxError`."""
    removed: list[str] = []
    for image in await engine.call(Api.images, filters={"label": labels.IMAGE}):
        names = [name for name in image["RepoTags"] or () if name != "<none>:<none>"]
        if not _is_ours(str(image["Labels"][labels.IMAGE]), names):
            continue
        try:
            for name in names or [image["Id"]]:
                await engine.call(Api.remove_image, name)
        except SandboxError:  # one that is used
            continue
        removed.append(f"image {', '.join(names) or image['Id']}")
    return removed


def _is_ours(label: str, names: Sequence[str]) -> bool:
    """Whether an image is the one that the label was made for, and none that is based on that. One without a name has
    lost it to a later build."""
    ours = f"{REPOSITORY}:" if label == labels.HOST else label
    return not names or any(ours in name for name in names)


async def _remove(engine: Engine, id: str) -> None:
    container = Container(engine, id)
    with contextlib.suppress(Absent):
        state: Mapping[str, Any] = await container.state()
        if state.get("Paused"):
            with contextlib.suppress(SandboxError):  # somebody else, who clears away too, has done it meanwhile
                await container.unpause()
        if engine.is_near:
            thaw(int(state.get("Pid") or 0))
        await container.remove()
