"""Which image a launch runs in: the one function that everything asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from emulator.model.errors import SandboxError
from emulator.model.launch import Launch
from emulator.sandbox.container.base_image import base_image
from emulator.sandbox.container.engine import Absent, Api, Engine


class Image(Struct, frozen=True):
    """An image that the engine has, by a name that it understands. With `host`, this machine's /usr is seen in it.

    `argv` is its own command. `platform` is such as `linux/amd64`.
    """

    name: str
    host: bool = False
    argv: tuple[str, ...] = ()
    platform: str = ""


async def image_of(engine: Engine, launch: Launch) -> Image:
    """The image of `launch`, which is not pulled. Raises `SandboxError` where the engine does not have it."""
    if not launch.image:
        return Image(await base_image(engine), host=True)
    try:
        found = await engine.call(Api.inspect_image, launch.image)
    except Absent as error:
        raise SandboxError(f"The image {launch.image} is not here", f"docker pull {launch.image}") from error
    return _described(found)


def _described(found: Mapping[str, Any]) -> Image:
    """By its id: podman takes a short name for one of a registry."""
    config = found.get("Config") or {}
    argv = (*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ()))
    return Image(str(found["Id"]), argv=argv, platform=f"{found.get('Os', '')}/{found.get('Architecture', '')}")
