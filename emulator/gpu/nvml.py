"""NVIDIA's cards, by its own management library and the binding that NVIDIA publishes for it (nvidia-ml-py)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emulator.model.errors import UserError
from emulator.model.gpu import Card, Vendor
from emulator.model.limits import MB

CONTROL_NODE = Path("/dev/nvidiactl")
# Beside a card's own node: what every program that computes opens.
COMMON_NODES = (
    "/dev/nvidiactl",
    "/dev/nvidia-uvm",
    "/dev/nvidia-uvm-tools",
    "/dev/nvidia-modeset",
    "/dev/nvidia-caps",
)


class Nvml:
    """The library, loaded. Every call is short and blocks."""

    def __init__(self, binding: Any) -> None:
        self._nvml = binding
        binding.nvmlInit()
        self._handles = {
            _text(binding.nvmlDeviceGetUUID(handle)): handle
            for handle in map(binding.nvmlDeviceGetHandleByIndex, range(binding.nvmlDeviceGetCount()))
        }

    @property
    def driver(self) -> str:
        return _text(self._nvml.nvmlSystemGetDriverVersion())

    @property
    def cuda(self) -> str:
        """The newest CUDA that the driver runs: `13.0`."""
        number = self._nvml.nvmlSystemGetCudaDriverVersion()
        return f"{number // 1000}.{number % 1000 // 10}"

    def cards(self) -> Iterator[Card]:
        nvml = self._nvml
        for uuid, handle in self._handles.items():
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            node = f"/dev/nvidia{nvml.nvmlDeviceGetMinorNumber(handle)}"
            index = nvml.nvmlDeviceGetIndex(handle)
            name = _text(nvml.nvmlDeviceGetName(handle))
            yield Card(Vendor.NVIDIA, index, uuid, name, memory.total // MB, (node, *COMMON_NODES))

    def used(self, uuid: str) -> Mapping[int, float] | None:
        """MB of the card's memory by process, as pids of the host; None where the driver does not say (WSL)."""
        handle, found = self._handles[uuid], dict[int, float]()
        try:
            # Graphics and compute may both name a process: the larger figure is the whole.
            computing = self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)
            for process in (*computing, *self._nvml.nvmlDeviceGetGraphicsRunningProcesses(handle)):
                if process.usedGpuMemory is None:
                    return None
                found[process.pid] = max(found.get(process.pid, 0.0), process.usedGpuMemory / MB)
        except self._nvml.NVMLError:
            return None
        return found

    def close(self) -> None:
        with contextlib.suppress(self._nvml.NVMLError):
            self._nvml.nvmlShutdown()


def open_nvml() -> Nvml | None:
    """The library; None on a machine without NVIDIA's driver. Raises `UserError` where there is one that can not be
    asked."""
    try:
        import pynvml  # an optional part of the installation
    except ImportError:
        if not CONTROL_NODE.exists():
            return None
        raise UserError(
            "NVIDIA's driver is here, but the package that asks it is not", "pip install 'fclocal[gpu]'"
        ) from None
    try:
        return Nvml(pynvml)
    except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded) as error:
        if not CONTROL_NODE.exists():
            return None
        raise UserError(f"NVIDIA's driver does not answer: {error}", "nvidia-smi") from error
    except pynvml.NVMLError as error:
        raise UserError(f"NVIDIA's driver does not answer: {error}", "nvidia-smi") from error


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
