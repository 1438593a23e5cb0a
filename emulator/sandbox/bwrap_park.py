"""Namespaces around a process that is parked: bubblewrap's, complete but for what must be mounted last.

An overlay shows what was saved before it was made, and perhaps not what is saved later. So overlays are made when the
process is assigned, by `nsdoor`, from folders that are seen inside until then; the process itself is as powerless
all the time as any other instance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from emulator.model.launch import Access, Launch, Mount
from emulator.sandbox import rootfs
from emulator.sandbox.folders import InstanceFolders
from emulator.sandbox.overlay import Overlay, stage_overlays
from emulator.sandbox.rung import Bounds, ParkPlan

if TYPE_CHECKING:
    from emulator.sandbox.bwrap import BwrapRung

# A folder of the instance's own, seen until it is assigned: in it overlays are staged, and on it the sources are seen
# of what comes last. One mount to let go of, since each takes the kernel some milliseconds.
_LATE = "/run/fclocal/late"
_STAGE = "stage"
_LIBRARIES = "LD_LIBRARY_PATH"


def park_plan(
    rung: BwrapRung, launch: Launch, folders: InstanceFolders, groups: Sequence[str], bounds: Bounds
) -> ParkPlan:
    late = _late(rung, launch)
    if not late:
        return ParkPlan(rung.plan(launch, folders, groups, bounds))
    rung.require_sources(launch.mounts)
    place = folders.root / "late"
    place.mkdir()
    overlays = stage_overlays([mount for mount in late if rung.overlaid(mount, launch)], place / _STAGE)
    early = (mount for mount in launch.mounts if mount not in late)
    mounts = (*early, Mount((place,), _LATE, Access.WRITE), *_sources(late))
    walls = replace(rung, empty=(*(mount.target for mount in late), *_library_folders(launch, late)))
    plan = walls.plan(replace(launch, mounts=mounts), folders, groups, bounds)
    disk = (*plan.disk, *(overlay.upper for overlay in overlays))
    words = _words(rung, launch, late, {overlay.mount.target: overlay for overlay in overlays})
    return ParkPlan(replace(plan, overlays=overlays, disk=disk), tuple(words))


def _late(rung: BwrapRung, launch: Launch) -> list[Mount]:
    """Overlays, and what is mounted below one; outer ones first."""
    late: list[Mount] = []
    for mount in rootfs.in_order(launch.mounts):
        if rung.overlaid(mount, launch) or any(mount.target.startswith(f"{it.target.rstrip('/')}/") for it in late):
            late.append(mount)
    return late


def _sources(late: Sequence[Mount]) -> Iterator[Mount]:
    for number, mount in enumerate(late):
        access = Access.WRITE if mount.access is Access.WRITE else Access.READ
        for index, source in enumerate(mount.sources):
            yield Mount((source,), _place(number, index), access)


def _place(number: int, index: int) -> str:
    return f"{_LATE}/{number}.{index}"


def _library_folders(launch: Launch, late: Sequence[Mount]) -> Iterator[str]:
    """The dynamic linker looks once whether a folder is there, and never again in the same process."""
    for folder in launch.env.get(_LIBRARIES, "").split(":"):
        if any(folder.startswith(f"{mount.target.rstrip('/')}/") for mount in late):
            yield folder


def _words(rung: BwrapRung, launch: Launch, late: Sequence[Mount], overlays: dict[str, Overlay]) -> Iterator[str]:
    """What bubblewrap would have done at the end; nothing of what only served for it is left then."""
    for number, mount in enumerate(late):
        overlay = overlays.get(mount.target)
        places = [_place(number, index) for index in range(len(mount.sources))]
        if overlay is None:
            yield from ("bind", mount.target, places[0])
        else:
            options = (
                f"lowerdir={':'.join(places)},upperdir={_LATE}/{_STAGE}/{overlay.upper.name},"
                f"workdir={_LATE}/{_STAGE}/{overlay.work.name},userxattr"
            )
            yield from ("overlay", mount.target, options)
            if rung.read_only(launch):
                yield from ("read-only", mount.target, "")
        for _, folder in rootfs.covers(mount, rung.hidden):
            yield from ("cover", folder, "")
    yield from ("drop", _LATE, "")
    if rung.read_only(launch):
        yield from ("read-only", "/", "")
