"""What is mounted in a container that runs already: what must be younger than the last save in the code.

An overlay shows what was saved before it was made, and perhaps not what is saved later. So a container that was started
ahead of time gets its overlays when it is known for whom it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from emulator.model.launch import Access, Launch, Mount
from emulator.sandbox import rootfs
from emulator.sandbox.overlay import Overlay

_LIBRARIES = "LD_LIBRARY_PATH"


def is_needed(launch: Launch) -> bool:
    return any(mount.access is Access.OVERLAY for mount in launch.mounts)


def late_mounts(launch: Launch, overlays: Sequence[Overlay]) -> list[Mount]:
    """Overlays, and what is mounted below one; outer ones first."""
    overlaid = {overlay.mount.target for overlay in overlays}
    late: list[Mount] = []
    for mount in rootfs.in_order(launch.mounts):
        below = any(mount.target.startswith(f"{it.target.rstrip('/')}/") for it in late)
        if mount.target in overlaid or below:
            late.append(mount)
    return late


def without(launch: Launch, late: Sequence[Mount], place: Path) -> Launch:
    """The launch with empty folders, made in `place`, where something is mounted later. Raises `OSError`.

    In them are the folders in which the dynamic linker will look for libraries: it looks once whether one is there, and
    never again in the same process.
    """
    libraries = launch.env.get(_LIBRARIES, "").split(":")
    empty: list[Mount] = []
    for number, mount in enumerate(late):
        if any(mount.target.startswith(f"{it.target.rstrip('/')}/") for it in late):
            continue
        folder = place / str(number)
        folder.mkdir(parents=True)
        for library in libraries:
            if library.startswith(f"{mount.target.rstrip('/')}/"):
                (folder / library[len(mount.target) :].lstrip("/")).mkdir(parents=True, exist_ok=True)
        empty.append(Mount((folder,), mount.target, Access.READ))
    return replace(launch, mounts=(*(mount for mount in launch.mounts if mount not in late), *empty))


def words(late: Sequence[Mount], overlays: Sequence[Overlay], hidden: Sequence[Path], *, read_only: bool) -> list[str]:
    """What `nsdoor` is asked to bring, from the folder in which the overlays are staged."""
    by_target = {overlay.mount.target: overlay for overlay in overlays}
    return [word for mount in late for word in _words(mount, by_target.get(mount.target), hidden, read_only)]


def _words(mount: Mount, overlay: Overlay | None, hidden: Sequence[Path], read_only: bool) -> Iterator[str]:
    if overlay is None:
        yield from ("bind", mount.target, str(mount.sources[0]))
    else:
        yield from ("overlay", mount.target, overlay.short_options(writable=not read_only))
    for source in mount.sources:
        for folder in hidden:
            if folder.is_relative_to(source) and folder != source and folder.is_dir():
                yield from ("cover", str(PurePosixPath(mount.target, folder.relative_to(source))), "")
