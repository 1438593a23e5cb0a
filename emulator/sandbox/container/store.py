"""The images that an engine has: looked up by name, pulled where a registry has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from emulator.model.errors import SandboxError
from emulator.model.image import Image
from emulator.sandbox.container.engine import Absent, Api, Engine, Json

# Called on the event loop with what is to be said of work that takes long, a line at a time.
Tell = Callable[[str], None]
NO_LABELS: Mapping[str, str] = MappingProxyType({})
# How often the bytes of a pull are told.
TOLD_EVERY_SECONDS = 2.0
MB = 1_000_000


class Stored(Struct, frozen=True):
    """An image that the engine has, and its labels."""

    image: Image
    labels: Mapping[str, str] = NO_LABELS


async def find(engine: Engine, reference: str) -> Stored | None:
    """The image of this name, or None. Raises `SandboxError` where the engine does not answer."""
    try:
        found = await engine.call(Api.inspect_image, reference)
    except Absent:
        return None
    return described(reference, found)


def described(reference: str, found: Mapping[str, Any]) -> Stored:
    """What the engine's own description says."""
    config = found.get("Config") or {}
    pairs = (pair.partition("=") for pair in config.get("Env") or ())
    image = Image(
        reference,
        id=found["Id"],
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        environment=MappingProxyType({name: value for name, _, value in pairs}),
        workdir=config.get("WorkingDir") or "/",
        user=config.get("User") or "",
        architecture=found.get("Architecture") or "",
        size=int(found.get("Size") or 0),
    )
    return Stored(image, MappingProxyType(config.get("Labels") or {}))


async def remove(engine: Engine, image: str) -> bool:
    """Whether an image without a name is gone; it stays while a container uses it, or the engine does not answer."""
    try:
        found = await engine.call(Api.inspect_image, image)
        if not found.get("RepoTags"):
            await engine.call(Api.remove_image, image)
    except Absent:
        return True
    except SandboxError:
        return False
    return True


async def pull(engine: Engine, reference: str, tell: Tell) -> Stored:
    """Have the engine fetch an image. Raises `SandboxError` with the registry's words, and what to do."""
    repository, tag = split(reference)
    told = _Pulled(reference, tell)
    try:
        await engine.follow(Api.pull, told.note, repository, tag=tag, stream=True, decode=True)
        if told.error:
            raise SandboxError(told.error)
    except SandboxError as error:
        words = error.message.removeprefix("The container engine refused: ")
        raise SandboxError(f"The image {reference} is not here and can not be pulled: {words}", _step(words)) from error
    found = await find(engine, reference)
    if found is None:
        raise SandboxError(f"The image {reference} was pulled, and is not here", "fclocal images")
    return found


def split(reference: str) -> tuple[str, str]:
    """Repository and tag, or digest, as the engine takes them; none means `latest`."""
    if "@" in reference:
        repository, _, digest = reference.partition("@")
        return repository, digest
    folder, slash, name = reference.rpartition("/")
    name, _, tag = name.partition(":")
    return f"{folder}{slash}{name}", tag or "latest"


def _step(words: str) -> str:
    if "denied" in words or "unauthorized" in words or "authentication" in words:
        return "correct its name, or log in by `docker login`; where it is built here, put its Dockerfile beside s.yaml"
    if "not found" in words or "manifest unknown" in words:
        return "correct its name; where it is built here, put its Dockerfile beside s.yaml"
    return "look after the connection to its registry, `docker load` it, or put its Dockerfile beside s.yaml"


class _Pulled:
    """Makes few lines of the many in which an engine tells of each layer."""

    def __init__(self, reference: str, tell: Tell) -> None:
        self._reference = reference
        self._tell = tell
        self._layers: dict[str, tuple[int, int]] = {}
        self._told_at = time.monotonic()
        self.error = ""
        tell(f"pulling {reference}")

    def note(self, piece: Json) -> None:
        if "error" in piece:
            self.error = str(piece["error"])
        detail = piece.get("progressDetail") or {}
        if piece.get("status") == "Downloading" and detail.get("total"):
            self._layers[str(piece.get("id"))] = int(detail.get("current", 0)), int(detail["total"])
            self._tell_bytes()

    def _tell_bytes(self) -> None:
        now = time.monotonic()
        if now - self._told_at >= TOLD_EVERY_SECONDS:
            self._told_at = now
            done, all_of_it = (sum(sizes) for sizes in zip(*self._layers.values(), strict=True))
            self._tell(f"pulling {self._reference}: {done / MB:.0f} of {all_of_it / MB:.0f} MB")
