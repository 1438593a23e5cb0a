"""GPU functions in containers: the double by binds, and requests for a real card as they reach engines and runtimes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from emulator.model.gpu import Card, GpuShare, Vendor
from emulator.model.launch import Launch, UnixEndpoint
from emulator.sandbox.container.base_image import skeleton
from emulator.sandbox.container.cards import cards_of
from emulator.sandbox.container.recipe import bind
from tests.e2e.test_gpu import HALF, LOOKS, T4, looked
from tests.support.command import PATIENCE_SECONDS, Workshop, eventually
from tests.support.engine import needs_engine
from tests.support.gpu import PYNVML, FakeMachine, require_compiler
from tests.support.own_engine import OwnEngine, needs

# What NVIDIA's own prestart hook is told: the environment of the container, by the bundle that its state names.
HOOK = f"""#!{sys.executable}
import json, pathlib, sys

state = json.load(sys.stdin)
process = json.loads(pathlib.Path(state["bundle"], "config.json").read_text())["process"]
told = dict(pair.split("=", 1) for pair in process["env"] if pair.startswith("NVIDIA"))
with open("FOLDER/told", "a") as log:
    print(json.dumps([sys.argv[1:], told]), file=log)
"""


@needs_engine
def test_the_double_is_in_a_container_and_only_there(workshop: Workshop) -> None:
    require_compiler()
    workshop.project(LOOKS, t4=T4, plain={})
    workshop.write({"code/pynvml.py": PYNVML})
    with workshop.started("--gpu", "fake", "--walls", "container") as running:
        found = looked(running, "t4")
        assert found["nodes"] == ["nvidia-uvm", "nvidia-uvm-tools", "nvidia0", "nvidiactl"]
        assert found["nvml"][:2] == ["580.95.05", 13000] and found["nvml"][2][0][:2] == ["Tesla T4", 15360]
        assert found["query"] == [0, "Tesla T4, 15360 MiB, 580.95.05\n"]
        assert found["cuda"] == [100, "no CUDA-capable device is detected"]
        other = looked(running, "plain")
        assert (other["nodes"], other["env"], other["list"]) == ([], {}, None)


@needs_engine
def test_an_engine_that_can_not_give_a_card_is_told_with_what_helps(workshop: Workshop, tmp_path: Path) -> None:
    if shutil.which("nvidia-container-runtime-hook"):
        pytest.skip("this machine's engine may have a way to cards")
    machine = FakeMachine(tmp_path)
    workshop.project(LOOKS, half=HALF)
    with workshop.started("--walls", "container", env=machine.environ) as running:
        status, text, _ = running.call("half")
        assert status == 412
        assert "the container engine has no way to NVIDIA's cards" in text and "could not select device driver" in text
        assert "install nvidia-container-toolkit and restart the engine" in text
        # What it had claimed can be had again: the next one fails for the same reason, and not for want of room.
        assert all(running.call("half")[0] == 412 for _ in range(3))


@pytest.fixture
def engine_with_hook() -> Iterator[OwnEngine]:
    if reason := needs():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="fcg-", dir="/var/tmp"))
    hook = folder / "bin/nvidia-container-runtime-hook"
    hook.parent.mkdir()
    hook.write_text(HOOK.replace("FOLDER", str(folder)))
    hook.chmod(0o755)
    engine = OwnEngine(folder, path=f"{hook.parent}:{os.environ['PATH']}")
    try:
        engine.start()
        yield engine
    finally:
        engine.close()


def test_the_request_for_a_card_reaches_the_runtime(
    workshop: Workshop, tmp_path: Path, engine_with_hook: OwnEngine
) -> None:
    machine = FakeMachine(tmp_path)
    workshop.project(LOOKS, half=HALF, plain={})
    workshop.write({"code/pynvml.py": PYNVML})
    environ = {**machine.environ, "DOCKER_HOST": engine_with_hook.host}
    with workshop.started("--walls", "container", "--network", "none", env=environ) as running:
        card = looked(running, "half")["env"]["CUDA_VISIBLE_DEVICES"]
        ((words, told),) = map(json.loads, (engine_with_hook.folder / "told").read_text().splitlines())
        assert words == ["prestart"] and told["NVIDIA_VISIBLE_DEVICES"] == card
        assert set(told["NVIDIA_DRIVER_CAPABILITIES"].split(",")) >= {"compute", "utility"}
        # No other function has any of it.
        assert looked(running, "plain")["env"] == {}
        assert len((engine_with_hook.folder / "told").read_text().splitlines()) == 1


# --- CDI ---

SPEC = """
cdiVersion: "0.5.0"
kind: "nvidia.com/gpu"
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - {path: /dev/nvidia0, hostPath: /dev/null, type: c, major: 1, minor: 3, permissions: rwm}
    env: ["NVIDIA_VISIBLE_DEVICES=0"]
containerEdits:
  deviceNodes:
  - {path: /dev/nvidiactl, hostPath: /dev/null, type: c, major: 1, minor: 3, permissions: rwm}
  mounts:
  - hostPath: LIBRARY
    containerPath: /var/lib/driver/libcuda.so.580.95.05
    options: [ro, nosuid, nodev, bind]
"""


@pytest.fixture
def podman() -> Iterator[docker.APIClient]:
    """podman's socket that speaks Docker's language, for this test alone."""
    if shutil.which("podman") is None or os.geteuid() != 0:
        pytest.skip("podman is not installed here, or this is not root")
    folder = Path(tempfile.mkdtemp(prefix="fcp-"))
    address = f"unix://{folder}/p.sock"
    command = ["podman", "system", "service", "--time=0", address]
    service = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)  # conmon writes files where it starts
    try:
        eventually((folder / "p.sock").exists, "podman's socket")
        with contextlib.closing(docker.APIClient(base_url=address, version="1.41")) as api:
            api.headers["Connection"] = "close"  # it keeps one for each address that it asked, and closes none
            yield api
    finally:
        service.terminate()
        service.wait(PATIENCE_SECONDS)
        shutil.rmtree(folder)


def test_what_cdi_says_of_a_card_is_in_a_podman_container(tmp_path: Path, podman: docker.APIClient) -> None:
    library = tmp_path / "libcuda.so.580.95.05"
    library.write_text("a driver")
    (tmp_path / "nvidia.yaml").write_text(SPEC.replace("LIBRARY", str(library)))
    share = GpuShare(1, "fc.gpu.tesla.1", (Card(Vendor.NVIDIA, 0, "GPU-0", "Tesla T4", 15360),), 16384)
    launch = Launch(("ls",), {}, "/", UnixEndpoint("/w.sock"), gpu=share)
    cards = cards_of(launch, podman.info(), podman=True, folders=[tmp_path])
    looks = ["/usr/bin/ls", "/dev/nvidia0", "/dev/nvidiactl", "/var/lib/driver"]
    assert run_in(podman, looks, cards).split() == [
        "/dev/nvidia0", "/dev/nvidiactl", "/var/lib/driver:", "libcuda.so.1", "libcuda.so.580.95.05",
    ]  # fmt: skip
    assert run_in(podman, ["/usr/bin/cat", "/var/lib/driver/libcuda.so.1"], cards) == "a driver"


def run_in(podman: docker.APIClient, argv: list[str], cards: Any) -> str:
    """What a program of this machine prints in a container with these cards; nothing of it is left."""
    image = "localhost/fclocal-gpu-test/host:latest"
    podman.import_image_from_data(skeleton(), *image.rsplit(":", 1))
    mounts = [bind(Path("/usr"), "/usr"), *(bind(Path(host), inside) for host, inside in cards.edits.mounts)]
    # podman asks for more than this machine may allow.
    ulimits = [{"Name": name, "Soft": 1024, "Hard": 1024} for name in ("nofile", "nproc")]
    body = {
        "Image": image,
        "Entrypoint": argv,
        "Cmd": [],
        "HostConfig": {
            "NetworkMode": "none", "Mounts": mounts, "Ulimits": ulimits, "Devices": [*cards.devices],
            "DeviceRequests": [*cards.requests],
        },
    }  # fmt: skip
    made = podman.create_container_from_config(body, None)["Id"]
    try:
        podman.start(made)
        podman.wait(made)
        return podman.logs(made).decode()
    finally:
        podman.remove_container(made, force=True)
        with contextlib.suppress(docker.errors.APIError):
            podman.remove_image(image, force=True)


@pytest.mark.parametrize(
    "info", [{"CDISpecDirs": ["FOLDER"]}, {"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]}]
)
def test_an_engine_that_reads_cdi_is_asked_by_name(tmp_path: Path, info: dict[str, Any]) -> None:
    (tmp_path / "nvidia.yaml").write_text(SPEC)
    info = {name: [str(tmp_path)] if value == ["FOLDER"] else value for name, value in info.items()}
    share = GpuShare(1, "fc.gpu.tesla.1", (Card(Vendor.NVIDIA, 0, "GPU-0", "Tesla T4", 15360),), 16384)
    launch = Launch(("x",), {}, "/", UnixEndpoint("/w.sock"), gpu=share)
    assert cards_of(launch, info, podman=False).requests == ({"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=0"]},)
    (by_runtime,) = cards_of(launch, {"CDISpecDirs": []}, podman=False).requests
    assert (by_runtime["Driver"], by_runtime["DeviceIDs"]) == ("nvidia", ["GPU-0"])
