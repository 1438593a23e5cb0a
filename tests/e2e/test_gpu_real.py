"""The whole with a real card of NVIDIA's: what its function sees, what is measured, and what keeps it in its slice."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from emulator.gpu.nvml import Nvml, open_nvml
from emulator.model.errors import UserError
from emulator.native.build import compiler
from tests.support.command import Workshop

pytestmark = pytest.mark.gpu

SLICE_MB = 2048
GPU = {"gpuConfig": {"gpuType": "fc.gpu.tesla.1", "gpuMemorySize": SLICE_MB}}
TAKES = """
import ctypes, json, os

cuda = ctypes.CDLL("libcuda.so.1")

def begin():
    device, context = ctypes.c_int(), ctypes.c_void_p()
    codes = [cuda.cuInit(0), cuda.cuDeviceGet(ctypes.byref(device), 0)]
    codes.append(cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device))
    codes.append(cuda.cuCtxSetCurrent(context))
    return codes

def handler(event, context):
    at, count = ctypes.c_ulonglong(), ctypes.c_int()
    codes = begin()
    cuda.cuDeviceGetCount(ctypes.byref(count))
    code = cuda.cuMemAlloc_v2(ctypes.byref(at), ctypes.c_size_t(int(event) << 20))
    return json.dumps({"codes": codes, "cards": count.value, "alloc": code, "uuid": os.environ["CUDA_VISIBLE_DEVICES"]})
"""


@pytest.fixture(scope="module")
def nvml() -> Iterator[Nvml]:
    try:
        found = open_nvml()
    except UserError as error:
        pytest.skip(f"no card of NVIDIA's can be asked here: {error.message}")
    if found is None or not [*found.cards()]:
        pytest.skip("no card of NVIDIA's is here: what a real one does is not tried")
    yield found
    found.close()


def test_a_function_computes_on_its_card_alone_and_its_memory_is_measured(workshop: Workshop, nvml: Nvml) -> None:
    workshop.project(TAKES, f=GPU)
    with workshop.started("--json") as running:
        status, text, _ = running.call("f", "1000")
        assert status == 200, text + running.out
        told = json.loads(text)
        assert told["codes"] == [0, 0, 0, 0] and (told["cards"], told["alloc"]) == (1, 0)
        assert told["uuid"] in {card.uuid for card in nvml.cards()}
        (ended,) = running.until(lambda e: e["kind"] == "invocation_ended")
        assert ended["gpu_memory_size_mb"] == SLICE_MB and ended["gpu_memory_mb"] >= 1000
        (idle,) = running.until(lambda e: e["kind"] == "gpu_held" and e["what"] == "idle")
        assert idle["used_mb"] >= 1000


def test_one_that_takes_more_than_its_slice_is_ended_where_that_is_asked_for(workshop: Workshop, nvml: Nvml) -> None:
    workshop.project(TAKES, f=GPU)
    with workshop.started("--json", "--gpu-limit", "enforce") as running:
        running.call("f", str(SLICE_MB + 1000))
        (moved,) = running.until(lambda e: e["kind"] == "instance_moved" and e["after"] == "stopped")
        assert moved["reason"] == "oom"


def test_the_library_refuses_more_than_the_slice(workshop: Workshop, nvml: Nvml) -> None:
    if not compiler():
        pytest.skip("a C compiler is needed for the library")
    workshop.project(TAKES, f=GPU)
    with workshop.started("--gpu-limit", "interpose") as running:
        assert json.loads(running.call("f", str(SLICE_MB + 1000))[1])["alloc"] == 2
        assert json.loads(running.call("f", "500")[1])["alloc"] == 0
