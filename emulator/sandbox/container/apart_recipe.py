"""What an engine on another kernel is asked to make: nothing of ours inside, and ports in place of sockets (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from emulator.model.errors import SandboxError
from emulator.model.launch import Access, Launch, Mount, Network, TcpEndpoint
from emulator.sandbox.container import recipe
from emulator.sandbox.container.recipe import Json, Site

CORE_FILES = {"core": 0}
_NO_LOG = {"Type": "none", "Config": {}}


def config(launch: Launch, site: Site, copied: Collection[Mount]) -> Json:
    """The body of the engine's request for a container. `copied` are mounts that are filled before it starts.

    Raises `SandboxError` for what can not be reached there.
    """
    if launch.network is Network.NONE:
        raise SandboxError(
            "A container without a network can not be reached where the engine runs on another kernel",
            "use --network bridge",
        )
    shown = tuple(mount for mount in launch.mounts if mount not in copied)
    made = recipe.config(replace(launch, network=Network.PRIVATE, mounts=shown), site)
    ports = [f"{port}/tcp" for port in ports_of(launch)]
    made["ExposedPorts"] = {name: {} for name in ports}
    host: Json = made["HostConfig"]
    # Of 127.0.0.1 any port that is free.
    host["PortBindings"] = {name: [{"HostIp": "127.0.0.1", "HostPort": ""}] for name in ports}
    # Process 1 is spared signals that it does not handle, and has to reap.
    host["Init"] = True
    # It is attached to.
    host["LogConfig"] = _NO_LOG
    host["Mounts"] += [_volume(mount) for mount in copied]
    if site.read_only:
        size = f",size={launch.disk_mb}m" if launch.disk_mb is not None else ""
        host["Tmpfs"] = {"/tmp": f"mode=1777,exec{size}"}  # noqa: S108 - a path inside
    return made


def copied_of(mounts: Iterable[Mount], *, overlays: bool, read_only: bool) -> list[Mount]:
    """Which mounts are copied in: where no overlay can be mounted, all that may be written or merge."""
    return [mount for mount in mounts if not overlays and is_overlaid(mount, read_only=read_only)]


def is_overlaid(mount: Mount, *, read_only: bool) -> bool:
    """Read-only folders need an overlay only where several of them merge."""
    return mount.access is Access.OVERLAY and (not read_only or len(mount.sources) > 1)


def ports_of(launch: Launch) -> list[int]:
    """Ports inside that must be reached."""
    endpoint = [launch.endpoint.port] if isinstance(launch.endpoint, TcpEndpoint) else []
    return [*endpoint, *([launch.debug_port] if launch.debug_port is not None else [])]


def _volume(mount: Mount) -> Json:
    """It has no name, and goes with its container; what an image has at the place does not show through."""
    return {"Type": "volume", "Target": mount.target, "VolumeOptions": {"NoCopy": True}}
