"""GPU functions by the command itself, on a machine without a card: its double, its slices, and who holds them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import MEET, Meeting, Running, Workshop, eventually
from tests.support.gpu import PYNVML, FakeMachine, machine_with_nodes, require_compiler

T4 = {"gpuConfig": {"gpuType": "fc.gpu.tesla.1", "gpuMemorySize": 16384}}
HALF = {"gpuConfig": {"gpuType": "fc.gpu.tesla.1", "gpuMemorySize": 8192}}
L20 = {"gpuConfig": {"gpuType": "fc.gpu.ada.1", "gpuMemorySize": 98304}}
LOOKS = """
import ctypes, json, os, subprocess

def nvml():
    import pynvml
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return str(error)
    found = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        card = pynvml.nvmlDeviceGetHandleByIndex(index)
        memory = pynvml.nvmlDeviceGetMemoryInfo(card).total >> 20
        found.append([pynvml.nvmlDeviceGetName(card), memory, pynvml.nvmlDeviceGetUUID(card)])
    return [pynvml.nvmlSystemGetDriverVersion(), pynvml.nvmlSystemGetCudaDriverVersion(), found]

def cuda():
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return str(error)
    text, code = ctypes.c_char_p(), library.cuInit(0)
    library.cuGetErrorString(code, ctypes.byref(text))
    return [code, text.value.decode()]

def smi(*words):
    try:
        done = subprocess.run(["nvidia-smi", *words], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return [done.returncode, done.stdout]

def handler(event, context):
    return json.dumps({
        "nodes": sorted(name for name in os.listdir("/dev") if "nvidia" in name),
        "nvml": nvml(),
        "cuda": cuda(),
        "list": smi("-L"),
        "query": smi("--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"),
        "table": smi(),
        "env": {name: value for name, value in os.environ.items() if "VISIBLE" in name},
    })
"""
HOLDS = f"""{MEET}
import os

def handler(event, context):
    word, _, port = event.decode().partition(" ")
    if word == "crash":
        os._exit(1)
    if word == "hold":
        meet(port, str(os.getpid()))
    return "done"
"""


def looked(running: Running, function: str) -> dict[str, Any]:
    status, text, _ = running.call(function)
    assert status == 200, text + running.out
    return json.loads(text)


def test_the_double_says_of_itself_what_fc_would_give(anybodys: Workshop) -> None:
    require_compiler()
    anybodys.project(LOOKS, t4=T4, half=HALF, pair=L20, plain={})
    anybodys.write({"code/pynvml.py": PYNVML})
    with anybodys.started("--gpu", "fake", "--walls", "bwrap") as running:
        found = looked(running, "t4")
        assert found["nodes"] == ["nvidia-uvm", "nvidia-uvm-tools", "nvidia0", "nvidiactl"]
        (name, memory, uuid), *none = found["nvml"][2]
        assert (found["nvml"][:2], name, memory, none) == (["580.95.05", 13000], "Tesla T4", 15360, [])
        assert found["env"] == {"CUDA_VISIBLE_DEVICES": uuid, "NVIDIA_VISIBLE_DEVICES": uuid}
        assert found["list"] == [0, f"GPU 0: Tesla T4 (UUID: {uuid})\n"]
        assert found["query"] == [0, "Tesla T4, 15360 MiB, 580.95.05\n"]
        assert "CUDA Version: 13.0" in found["table"][1] and "no card is here" in found["table"][1]
        # What computes gets the driver's own answer.
        assert found["cuda"] == [100, "no CUDA-capable device is detected"]

        assert looked(running, "half")["nvml"][2][0][:2] == ["Tesla T4", 8192]
        assert [card[:2] for card in looked(running, "pair")["nvml"][2]] == [["NVIDIA L20", 46068]] * 2

        other = looked(running, "plain")
        assert (other["nodes"], other["env"], other["list"]) == ([], {}, None)
        assert "libcuda.so.1" in other["cuda"] and "Not Found" in other["nvml"]
        kept = "is frozen and keeps 0 MB of its 16384 MB of Tesla T4"
        eventually(lambda: kept in running.out, lambda: f"{kept!r} in {running.out!r}")
        assert running.stop() == 0
        assert running.out.count("--gpu fake: fc.gpu.tesla.1 is a test double") == 1
        assert re.search(r"GPU Memory Size: 16384 MB, Max GPU Memory Used: 0.00 MB, Cold", running.out)
        running.assert_nothing_left()


def test_walls_without_mounts_have_the_double_too(workshop: Workshop) -> None:
    require_compiler()
    workshop.project(LOOKS, t4=T4)
    workshop.write({"code/pynvml.py": PYNVML})
    with workshop.started("--gpu", "fake", "--walls", "plain") as running:
        found = looked(running, "t4")
        assert found["nvml"][2][0][:2] == ["Tesla T4", 15360] and found["cuda"][0] == 100
        assert found["query"] == [0, "Tesla T4, 15360 MiB, 580.95.05\n"]


def test_without_a_card_functions_run_and_the_double_is_proposed(workshop: Workshop) -> None:
    if Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists():
        pytest.skip("this machine has a card")
    workshop.project(LOOKS, t4=T4)
    workshop.write({"code/pynvml.py": PYNVML})
    with workshop.started() as running:
        assert looked(running, "t4")["nodes"] == []
        assert running.stop() == 0
        assert "no GPU is here" in running.out and "`--gpu fake`" in running.out


def test_the_double_can_not_be_had_without_a_compiler(workshop: Workshop, tmp_path: Path) -> None:
    workshop.project(LOOKS, t4=T4)
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    done = workshop.run("start", "--port", "0", "--gpu", "fake", env={"PATH": str(bin_)})
    assert done.returncode == 2
    assert "a fake GPU needs a C compiler" in done.stderr and "→ sudo apt install gcc" in done.stderr


def test_nodes_of_a_card_are_behind_the_walls_of_its_function_only(workshop: Workshop, tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path)
    machine_with_nodes(workshop).project(LOOKS, whole=T4, half=HALF, plain={})
    workshop.write({"code/pynvml.py": PYNVML})
    with workshop.started("--walls", "bwrap", env=machine.environ) as running:
        found = looked(running, "whole")
        assert found["nodes"] == ["nvidia-uvm", "nvidia0", "nvidiactl"]
        uuid = found["env"]["CUDA_VISIBLE_DEVICES"]
        assert found["env"]["NVIDIA_VISIBLE_DEVICES"] == uuid and uuid.startswith("GPU-")
        assert looked(running, "plain")["nodes"] == []
        # The whole card was idle, and made room.
        assert looked(running, "half")["nodes"] == ["nvidia-uvm", "nvidia0", "nvidiactl"]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> FakeMachine:
    return FakeMachine(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def meeting() -> Iterator[Meeting]:
    place = Meeting()
    yield place
    place.close()


def start_two(running: Running, meeting: Meeting) -> list[Any]:
    """Two calls of `half`, each in an instance of its own that waits."""
    from concurrent.futures import ThreadPoolExecutor

    calls = ThreadPoolExecutor(4)
    two = [calls.submit(running.call, "half", f"hold {meeting.port}") for _ in range(2)]
    meeting.arrived(), meeting.arrived()
    return [calls, *two]


def test_two_slices_fit_on_a_card_and_a_crash_gives_one_back(
    workshop: Workshop, machine: FakeMachine, meeting: Meeting
) -> None:
    workshop.project(HOLDS, half=HALF)
    with workshop.started("--json", env=machine.environ) as running:
        calls, first, second = start_two(running, meeting)
        status, text, _ = running.call("half", "third")
        assert status == 429 and '"ResourceThrottled"' in text and "Reserve resource exceeded limit" in text
        assert "GPU memory is in use" in text and "free are 0 of 16384 MB of Tesla T4" in text
        meeting.let_go(2)
        assert first.result()[:2] == second.result()[:2] == (200, "done")
        assert "Process exited" in running.call("half", "crash")[1]
        # The other one serves, and the dead one's part can be had again.
        calls, first, second = start_two(running, meeting)
        meeting.let_go(2)
        assert first.result()[:2] == second.result()[:2] == (200, "done")
        held = running.until(lambda e: e["kind"] == "gpu_held" and e["what"] == "given", 3)
        assert {(e["size_mb"], tuple(e["cards"])) for e in held} == {(8192, ("Tesla T4",))}
        assert running.stop() == 0
        returned = [e for e in running.events() if e["kind"] == "gpu_held" and e["what"] == "returned"]
        assert len(returned) == 3 and returned[-1]["free_mb"] == 16384
        calls.shutdown()


def test_the_third_waits_for_a_slice(workshop: Workshop, machine: FakeMachine, meeting: Meeting) -> None:
    workshop.project(HOLDS, half=HALF)
    with workshop.started("--queue-timeout", "60", env=machine.environ) as running:
        calls, first, second = start_two(running, meeting)
        third = calls.submit(running.call, "half", "third")
        meeting.let_go(1)
        assert third.result()[:2] == (200, "done")
        meeting.let_go(1)
        assert first.result()[0] == second.result()[0] == 200
        calls.shutdown()


def pid_on_the_host(running: Running) -> int:
    """The one process of a function that is a Python."""

    def look() -> list[int]:
        return [pid for pid, line in running.processes().items() if "bootstrap.py" in line and "bwrap" not in line]

    return eventually(look, "a process of the function")[-1]


def use(running: Running, machine: FakeMachine, mb: int) -> None:
    machine.uses({pid_on_the_host(running): mb, os.getpid(): 99})


def test_what_an_instance_uses_stands_in_its_summary_and_more_than_its_slice_is_told(
    workshop: Workshop, machine: FakeMachine, meeting: Meeting
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    machine.uses({})
    workshop.project(HOLDS, half=HALF)
    with workshop.started("--json", env=machine.environ) as running, ThreadPoolExecutor(1) as calls:
        call = calls.submit(running.call, "half", f"hold {meeting.port}")
        meeting.arrived()
        use(running, machine, 5000)
        meeting.let_go()
        assert call.result()[0] == 200
        (ended,) = running.until(lambda e: e["kind"] == "invocation_ended")
        assert (ended["gpu_memory_mb"], ended["gpu_memory_size_mb"]) == (5000, 8192)
        (idle,) = running.until(lambda e: e["kind"] == "gpu_held" and e["what"] == "idle")
        assert (idle["used_mb"], idle["free_mb"]) == (5000, 8192)
        use(running, machine, 7900)  # of the 7680 that the driver has of these 8192
        (over,) = running.until(lambda e: e["kind"] == "gpu_held" and e["what"] == "over")
        assert over["used_mb"] == 7900
        assert running.call("half", "still there")[0] == 200


def test_an_instance_that_uses_more_than_its_slice_is_ended_where_that_is_asked_for(
    workshop: Workshop, machine: FakeMachine, meeting: Meeting
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    machine.uses({})
    workshop.project(HOLDS, half=HALF)
    options = ("--json", "--gpu-limit", "enforce")
    with workshop.started(*options, env=machine.environ) as running, ThreadPoolExecutor(1) as calls:
        call = calls.submit(running.call, "half", f"hold {meeting.port}")
        meeting.arrived()
        use(running, machine, 9000)
        status, text, heads = call.result()
        assert (status, heads["x-fc-error-type"]) == (200, "UnhandledInvocationError")
        assert "Process exited unexpectedly before completing request" in text
        (moved,) = running.until(lambda e: e["kind"] == "instance_moved" and e["after"] == "stopped")
        assert moved["reason"] == "oom"
        machine.uses({})
        assert running.call("half", "again")[:2] == (200, "done")
