"""What an instance is given of the cards that it holds: variables, device nodes, and our own files for it.

A slice of a card is made known to the frameworks that heed something (docs/gpu.md has the table); the user's own values
win.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from emulator.model.gpu import GpuShare, Vendor
from emulator.model.launch import Access, Device, Mount
from emulator.runtime.environ import SYSTEM_PATH

GPU_HOME = "/var/fc/gpu"
MPS_HOME = "/var/fc/mps"
# Tells our import hook for torch how much of each card is the instance's.
FRACTION = "FCLOCAL_GPU_FRACTION"
FAKE_COMMON = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")
CONTROL_NODE = "/dev/nvidiactl"


class GpuParts(Struct, frozen=True):
    """The parts of a launch that are about its GPU; `env` has only what the user does not set."""

    env: Mapping[str, str]
    mounts: tuple[Mount, ...] = ()
    devices: tuple[Device, ...] = ()


def gpu_parts(share: GpuShare | None, env: Mapping[str, str], *, walled: bool) -> GpuParts:
    """For an instance whose environment is `env` else; `walled`: it sees only the device nodes that it is given."""
    if share is None:
        # FC's instances without a GPU have no device nodes. Walls that can not hide them hide the cards from CUDA.
        hidden = {"CUDA_VISIBLE_DEVICES": ""} if not walled and Path(CONTROL_NODE).exists() else {}
        return GpuParts({name: value for name, value in hidden.items() if name not in env})
    own = {**_visible(share), **(_limits(share) if not share.whole else {})}
    given = {name: value for name, value in own.items() if name not in env}
    given.update(_paths(share, env))
    return GpuParts(given, tuple(_mounts(share)), tuple(_devices(share)))


def _visible(share: GpuShare) -> dict[str, str]:
    names = ",".join(card.uuid for card in share.cards)
    if share.vendor is Vendor.AMD:
        numbers = ",".join(str(number) for number in range(len(share.cards)))
        return {"ROCR_VISIBLE_DEVICES": names, "HIP_VISIBLE_DEVICES": numbers}
    if share.vendor is Vendor.APPLE:
        return {}
    return {"CUDA_VISIBLE_DEVICES": names, "NVIDIA_VISIBLE_DEVICES": names}


def _limits(share: GpuShare) -> dict[str, str]:
    """A fake card has nothing to limit: what it says is as large as the slice."""
    if share.vendor in (Vendor.FAKE, Vendor.APPLE):
        return {}
    memory, fraction = share.memory_mb, f"{share.fraction:.4f}"
    env = {
        FRACTION: fraction,
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "TF_PER_DEVICE_MEMORY_LIMIT_MB": str(memory),
        "XLA_PYTHON_CLIENT_MEM_FRACTION": fraction,
    }
    if share.mps:
        env["CUDA_MPS_PIPE_DIRECTORY"] = MPS_HOME
        env["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] = ",".join(f"{n}={memory}M" for n in range(len(share.cards)))
    return env


def _paths(share: GpuShare, env: Mapping[str, str]) -> dict[str, str]:
    """Our files come first where programs and libraries are looked for."""
    if share.folder is None:
        return {}
    if share.interposer:
        library = f"{GPU_HOME}/lib/libfclocal-gpu-limit.so"
        return {"LD_PRELOAD": f"{library}:{env['LD_PRELOAD']}" if env.get("LD_PRELOAD") else library}
    libraries = env.get("LD_LIBRARY_PATH", "")
    return {
        "PATH": f"{GPU_HOME}/bin:{env.get('PATH') or ':'.join(SYSTEM_PATH)}",
        "LD_LIBRARY_PATH": f"{GPU_HOME}/lib:{libraries}".rstrip(":"),
    }


def _mounts(share: GpuShare) -> Iterator[Mount]:
    if share.folder is not None:
        yield Mount((share.folder,), GPU_HOME, Access.READ)
    if share.mps:
        yield Mount((Path(share.mps),), MPS_HOME, Access.READ)


def _devices(share: GpuShare) -> Iterator[Device]:
    if share.vendor is Vendor.FAKE:
        for node in (*(f"/dev/nvidia{number}" for number in range(len(share.cards))), *FAKE_COMMON):
            yield Device("/dev/null", node)
        return
    for node in dict.fromkeys(node for card in share.cards for node in card.nodes):
        if Path(node).exists():
            yield Device(node, node)
