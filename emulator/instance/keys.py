"""What all instances of one origin have in common: of a template, or of spares (docs/zygote.md)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from emulator.model.launch import Launch

# Of a fork's environment, what is its own.
OWN = ("FC_", "FCLOCAL_DEBUG_")


def fork_key(launch: Launch) -> object:
    """Of the forks of a template."""
    return common(launch, lambda name: name.startswith(OWN))


def common(launch: Launch, is_own: Callable[[str], bool]) -> object:
    """All of a launch but variables that are an instance's own, and where its mounts' sources really are."""
    env = tuple(sorted((name, value) for name, value in launch.env.items() if not is_own(name)))
    sources = tuple(_place(str(source)) for mount in launch.mounts for source in mount.sources)
    return env, sources, replace(launch, env={}, hostname="", display="")


def _place(path: str) -> tuple[int, int]:
    """What was started has seen the folder that was there, and not one that was put in its place."""
    try:
        found = Path(path).stat()
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)
