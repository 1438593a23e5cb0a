"""What is asked of an engine on another kernel, and how its answers are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.model.errors import SandboxError
from emulator.model.launch import Access, Launch, Mount, Network, TcpEndpoint
from emulator.sandbox.base import Listener
from emulator.sandbox.container.apart_recipe import config, copied_of
from emulator.sandbox.container.held import Chosen, held_apart
from emulator.sandbox.container.images import Image
from emulator.sandbox.container.published import published
from emulator.sandbox.container.recipe import Json, Site
from emulator.sandbox.container.streams import Frames
from emulator.sandbox.inside import NOTHING_SEEN
from emulator.sandbox.limits_table import LIMITS, Level
from emulator.sandbox.listeners import listed

CODE = Mount((Path("/project/code"),), "/code", Access.OVERLAY)
DATA = Mount((Path("/project/data"),), "/mnt/data", Access.WRITE)
LAUNCH = Launch(
    argv=("python3", "x.py"), env={"A": "1"}, cwd="/code", endpoint=TcpEndpoint(9000), mounts=(CODE, DATA),
    memory_mb=256, disk_mb=512, image="sha256:1",
)  # fmt: skip
SITE = Site("c-1", Image("sha256:1"), Path("/state/c-1"), {"fclocal.run": "r"})


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40))), st.integers(1, 50))
def test_frames_may_be_cut_anywhere(frames: list[tuple[int, bytes]], size: int) -> None:
    stream = b"".join(bytes([kind, 0, 0, 0]) + len(text).to_bytes(4, "big") + text for kind, text in frames)
    got: list[bytes] = []
    reader = Frames(got.append)
    for at in range(0, len(stream), size):
        reader.feed(stream[at : at + size])
    reader.flush()
    wanted = [b"".join(text for kind, text in frames if kind == one).split(b"\n") for one in (1, 2)]
    assert sorted(got) == sorted(line for lines in wanted for line in (lines if lines[-1] else lines[:-1]))


def test_a_line_of_one_stream_is_not_cut_by_the_other() -> None:
    got: list[bytes] = []
    reader = Frames(got.append)
    for kind, text in ((1, b"hel"), (2, b"oh\n"), (1, b"lo\n")):
        reader.feed(bytes([kind, 0, 0, 0, 0, 0, 0, len(text)]) + text)
    assert got == [b"oh", b"hello"]


def asked(launch: Launch = LAUNCH, site: Site = SITE, copied: tuple[Mount, ...] = ()) -> Json:
    made = config(launch, site, copied)
    assert json.dumps(made)
    return made


def test_ports_are_published_on_this_machine_alone() -> None:
    host = asked()["HostConfig"]
    assert host["PortBindings"] == {"9000/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
    assert host["NetworkMode"] == "bridge" and host["Init"] is True and host["Memory"] == 256 << 20
    assert asked()["Entrypoint"] == ["python3", "x.py"]
    targets = {mount["Target"] for mount in host["Mounts"]}
    assert targets == {"/code", "/mnt/data"}, "nothing of ours"


def test_what_is_copied_has_a_place_that_goes_with_the_container() -> None:
    copied = copied_of(LAUNCH.mounts, overlays=False, read_only=False)
    assert copied == [CODE]
    mounts = {mount["Target"]: mount for mount in asked(copied=tuple(copied))["HostConfig"]["Mounts"]}
    assert mounts["/code"] == {"Type": "volume", "Target": "/code", "VolumeOptions": {"NoCopy": True}}
    assert mounts["/mnt/data"]["Type"] == "bind"
    assert not copied_of(LAUNCH.mounts, overlays=True, read_only=False)
    assert not copied_of(LAUNCH.mounts, overlays=False, read_only=True), "mounted, read-only"


def test_a_container_without_a_network_is_refused() -> None:
    with pytest.raises(SandboxError) as refused:
        asked(Launch(argv=(), env={}, cwd="/", endpoint=TcpEndpoint(1), network=Network.NONE, image="i"))
    assert "--network bridge" in refused.value.next_step


def test_ports_are_read_from_what_the_engine_says() -> None:
    ports = {"9000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "32768"}], "53/udp": None, "80/tcp": None}
    assert published({"NetworkSettings": {"Ports": ports}}) == {9000: 32768}
    assert published({"NetworkSettings": {"Ports": None}}) == {}


def test_listeners_are_read_from_both_tables() -> None:
    tables = """
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:2328 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000000000000:2328 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 3 1 0
"""
    assert listed(tables) == [Listener(8080, loopback=True), Listener(9000, loopback=False)]


def test_every_limit_has_its_row_and_the_disk_has_none() -> None:
    info = {"MemoryLimit": True, "SwapLimit": True, "CpuCfsQuota": True, "PidsLimit": True}
    table = held_apart(info, NOTHING_SEEN, Chosen())
    assert {limit.name for limit in LIMITS} <= set(table)
    assert table["memory"].level is Level.EXACT and table["disk"].level is Level.ABSENT
