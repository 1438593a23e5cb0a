"""What an engine on another kernel can do with our folders, found out by doing it.

Nothing is run for it, so that no image is needed: the engine mounts what a container has when a file is copied out.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import secrets
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from emulator.model.errors import SandboxError
from emulator.model.launch import Access, Mount
from emulator.sandbox import disk
from emulator.sandbox.container.base_image import base_image
from emulator.sandbox.container.container import Container
from emulator.sandbox.container.engine import Engine
from emulator.sandbox.container.recipe import Json, bind, volume
from emulator.sandbox.overlay import Overlay, stage_overlays

_INSIDE, _FILE = "/mnt", "nonce"
# What would be syntax in the options of a mount.
_SYNTAX = frozenset(",:\\")
_SHARE = (
    "share that folder with the engine's virtual machine (Docker Desktop: Settings, Resources, File sharing; "
    "`colima start --mount`), choose another --state-dir, or use --walls process"
)


async def mounts_overlays(engine: Engine, folder: Path, labels: Mapping[str, str]) -> bool:
    """Whether `engine` can mount overlays of what is in `folder`. Raises `SandboxError` where it does not even see
    that folder at the same path."""
    place, nonce = folder / "probe", secrets.token_hex(16)
    seen, stage = place / "seen", place / "stage"
    image, overlay = await base_image(engine), _overlay(seen, stage)
    (seen / _FILE).write_text(nonce)
    name = f"fclocal-probe-{secrets.token_hex(4)}"
    described = volume(overlay, name, labels)
    mounted: Json = {"Type": "volume", "Source": name, "Target": _INSIDE}
    config = {"Image": image, "Entrypoint": ["/nothing"], "Labels": dict(labels)}
    try:
        plain, merged = await asyncio.gather(
            _read(engine, f"{name}-1", {**config, "HostConfig": {"Mounts": [bind(seen, _INSIDE)]}}, ()),
            _read(engine, f"{name}-2", {**config, "HostConfig": {"Mounts": [mounted]}}, (described,)),
        )
    finally:
        await disk.remove_tree(place)
    if plain != nonce:
        why = plain or "another folder is there"
        raise SandboxError(f"{engine.url} does not see {folder} of this machine: {why}", _SHARE)
    return merged == nonce and not _SYNTAX.intersection(str(folder))


def _overlay(source: Path, stage: Path) -> Overlay:
    source.mkdir(parents=True)
    (overlay,) = stage_overlays([Mount((source,), _INSIDE, Access.OVERLAY)], stage)
    return overlay


async def _read(engine: Engine, name: str, config: Json, volumes: Sequence[Json]) -> str:
    """The file as the container would see it, or why it can not be seen."""
    try:
        container = await Container.create(engine, name, config, volumes)
    except SandboxError as error:
        return error.message
    try:
        archive = await container.got(f"{_INSIDE}/{_FILE}")
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            found = files.extractfile(_FILE)
            return found.read().decode() if found is not None else ""
    except (SandboxError, tarfile.TarError, KeyError) as error:
        return str(error)
    finally:
        with contextlib.suppress(SandboxError):
            await container.remove()
