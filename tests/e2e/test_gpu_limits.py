"""What keeps an instance within its slice of a card: frameworks that are told, and the library that refuses."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from emulator.native.build import compiler
from tests.support.command import Workshop
from tests.support.gpu import FakeMachine

QUARTER = {"gpuConfig": {"gpuType": "fc.gpu.tesla.1", "gpuMemorySize": 4096}}
WHOLE = {"gpuConfig": {"gpuType": "fc.gpu.tesla.1", "gpuMemorySize": 16384}}
TAKES = """
import ctypes, json, os, subprocess, sys

MB = 1 << 20

class Card:
    def __init__(self):
        self.cuda = ctypes.CDLL("libcuda.so.1")
        self.had = []

    def alloc(self, mb, name="cuMemAlloc_v2"):
        at = ctypes.c_ulonglong()
        stream = [None] if "Async" in name else []
        code = getattr(self.cuda, name)(ctypes.byref(at), ctypes.c_size_t(mb * MB), *stream)
        if code == 0:
            self.had.append(at)
        return code

    def free(self):
        return self.cuda.cuMemFree_v2(self.had.pop())

    def total(self):
        bytes_ = ctypes.c_size_t()
        self.cuda.cuDeviceTotalMem_v2(ctypes.byref(bytes_), 0)
        return bytes_.value // MB

    def info(self):
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        return [free.value // MB, total.value // MB]

    def by_address(self, mb):
        to, at = ctypes.c_void_p(), ctypes.c_ulonglong()
        self.cuda.cuGetProcAddress_v2(b"cuMemAlloc", ctypes.byref(to), 12000, ctypes.c_ulonglong(0), None)
        return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)(to.value)(ctypes.addressof(at), mb * MB)

def elsewhere(mb):
    code = "import index; print(index.Card().alloc(%d))" % mb
    return int(subprocess.run([sys.executable, "-c", code], cwd="/code", capture_output=True, text=True).stdout)

def handler(event, context):
    card = Card()
    found = {"total": card.total(), "before": card.info()}
    found["3000"], found["with"] = card.alloc(3000), card.info()
    found["1000 more"] = card.alloc(1000), card.alloc(1000, "cuMemAllocAsync"), card.by_address(1000)
    found["in a child"] = elsewhere(1000), elsewhere(800)
    card.free()
    found["after"] = card.alloc(3500), card.info()
    return json.dumps(found)
"""


def card_of_code(workshop: Workshop) -> None:
    """The double of CUDA's driver, where functions find it."""
    source = Path(__file__).parents[1] / "support/cuda_card.c"
    target = workshop.root / "code/libcuda.so.1"
    target.parent.mkdir(exist_ok=True)
    subprocess.run([compiler(), "-shared", "-fPIC", "-o", str(target), str(source)], check=True)


def test_the_library_refuses_what_is_above_the_slice_for_all_processes(workshop: Workshop, tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path)
    card_of_code(workshop)
    workshop.project(TAKES, quarter=QUARTER, whole=WHOLE)
    with workshop.started("--gpu-limit", "interpose", "--walls", "bwrap", env=machine.environ) as running:
        status, text, _ = running.call("quarter")
        assert status == 200, text
        found = json.loads(text)
        assert (found["total"], found["before"]) == (3840, [3840, 3840])  # a quarter of the 15360 of the driver
        assert (found["3000"], found["with"]) == (0, [840, 3840])
        assert found["1000 more"] == [2, 2, 2]
        assert found["in a child"] == [2, 0]
        assert found["after"] == [0, [340, 3840]]
        # A whole card has nothing to be held to.
        assert json.loads(running.call("whole")[1])["total"] == 15360


TORCH = """
calls, queued = [], []

class cuda:
    @staticmethod
    def _lazy_call(later):
        queued.append(later)

    @staticmethod
    def device_count():
        return 1

    @staticmethod
    def set_per_process_memory_fraction(fraction, card):
        calls.append([fraction, card])
"""
SERVER = """
import http.server, json, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        import torch
        before = list(torch.calls)
        for later in torch.queued:
            later()
        names = ("TF_FORCE_GPU_ALLOW_GROWTH", "TF_PER_DEVICE_MEMORY_LIMIT_MB", "XLA_PYTHON_CLIENT_MEM_FRACTION")
        hidden = [name for name in os.environ if name.startswith("FCLOCAL_GPU")]
        body = json.dumps([before, torch.calls, [os.environ.get(n) for n in names], hidden]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.HTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Handler).serve_forever()
"""


def program(port: int, **more: object) -> dict[str, object]:
    command = {"command": ["python3", "app.py"], "port": port}
    return {"runtime": "custom.debian12", "handler": "", "customRuntimeConfig": command, **more}


def test_frameworks_are_told_of_a_slice_when_they_are_imported(workshop: Workshop, tmp_path: Path) -> None:
    from tests.support.command import free_port

    machine = FakeMachine(tmp_path)
    own = {"PYTORCH_CUDA_ALLOC_CONF": "per_process_memory_fraction:0.1", "XLA_PYTHON_CLIENT_MEM_FRACTION": ".1"}
    workshop.project(
        "",
        quarter=program(free_port(), **QUARTER),
        own=program(free_port(), **QUARTER, environmentVariables=own),
        whole=program(free_port(), **WHOLE),
    )
    workshop.write({"code/app.py": SERVER, "code/torch.py": TORCH})
    with workshop.started("--walls", "bwrap", env=machine.environ) as running:

        def told(function: str) -> list[object]:
            status, text, _ = running.call(function)
            assert status == 200, text + running.out
            return json.loads(text)

        assert told("quarter") == [[], [[0.25, 0]], ["true", "3840", "0.2500"], []]
        assert told("own") == [[], [], ["true", "3840", ".1"], []]
        assert told("whole") == [[], [], [None, None, None], []]
