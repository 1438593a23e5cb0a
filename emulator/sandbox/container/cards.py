"""Cards in containers: what the engine is asked for, by whichever way it has (sandbox.md §5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from emulator.model.errors import SandboxError
from emulator.model.gpu import GpuShare, Vendor
from emulator.model.launch import Launch
from emulator.sandbox.container.cdi import FOLDERS, Edits, edits_of, has_cdi

Json = dict[str, Any]

# What programs in FC's GPU instances can do with a card (docs.nvidia.com, container toolkit, "Driver Capabilities")
CAPABILITIES = ("gpu", "compute", "utility", "video")
CDI_KIND = "nvidia.com/gpu"
# The words of dockerd that knows of no runtime for cards.
NO_DRIVER = "could not select device driver"


class Cards(Struct, frozen=True):
    """The parts of the request for a container that are about its cards."""

    devices: tuple[Json, ...] = ()
    requests: tuple[Json, ...] = ()
    edits: Edits = Edits()


def cards_of(launch: Launch, info: Mapping[str, Any], *, podman: bool, folders: Sequence[Path] = FOLDERS) -> Cards:
    """NVIDIA's come with their driver's libraries: by the engine's CDI, by NVIDIA's own runtime, or, where the engine
    can not be asked for either, by what CDI's files say. Raises `SandboxError` where none has the card."""
    share = launch.gpu
    if share is None or share.vendor is not Vendor.NVIDIA:
        return Cards(devices=tuple(_nodes(launch)))
    names = [f"{CDI_KIND}={card.index}" for card in share.cards]
    if podman:
        edits = edits_of(names, folders)
        return Cards(devices=tuple(_node(*pair) for pair in edits.devices), edits=edits)
    if _has_cdi(info):
        return Cards(requests=({"Driver": "cdi", "DeviceIDs": names},))
    return Cards(requests=(_runtimes(share),))


def _nodes(launch: Launch) -> Iterator[Json]:
    for device in launch.devices:
        if Path(device.source).exists():
            yield _node(device.source, device.target)


def _node(host: str, inside: str) -> Json:
    return {"PathOnHost": host, "PathInContainer": inside, "CgroupPermissions": "rwm"}


def _runtimes(share: GpuShare) -> Json:
    """`docker run --gpus`, for which dockerd looks for NVIDIA's hook when it starts."""
    uuids = [card.uuid for card in share.cards]
    return {"Driver": "nvidia", "DeviceIDs": uuids, "Capabilities": [[*CAPABILITIES]]}


def _has_cdi(info: Mapping[str, Any]) -> bool:
    """Docker reads CDI's files from 25 on where it is told to, from 28.2 on by itself, and lists what it found."""
    found: Sequence[Mapping[str, Any]] = info.get("DiscoveredDevices") or ()
    if any(str(device.get("ID", "")).startswith(CDI_KIND) for device in found):
        return True
    return has_cdi(CDI_KIND, [Path(folder) for folder in info.get("CDISpecDirs") or ()])


def advised(error: SandboxError) -> SandboxError:
    """What an engine says that has no way to cards, with one."""
    if NO_DRIVER not in error.message:
        return error
    return SandboxError(
        f"the container engine has no way to NVIDIA's cards: {error.message}",
        "install nvidia-container-toolkit and restart the engine; `--gpu fake` or `--walls process` do without",
    )
