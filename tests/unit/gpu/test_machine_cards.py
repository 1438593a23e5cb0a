"""Which cards are here, and what instances are given of each vendor's."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.gpu import kits
from emulator.gpu.cards import Found, fake_cards
from emulator.gpu.others import amd_cards
from emulator.gpu.pool import GpuPool
from emulator.model.errors import ResourceThrottled, UserError
from emulator.model.function import Gpu
from emulator.model.gpu import Card, GpuLimit, GpuMode, GpuShare, Vendor
from emulator.model.gpu_types import GPU_TYPES
from emulator.model.launch import Device
from emulator.native import build
from emulator.runtime.gpu import GPU_HOME, gpu_parts

T4 = Card(Vendor.NVIDIA, 0, "GPU-0", "Tesla T4", 15360, ("/dev/null", "/dev/no-such-node"))


def kfd_node(folder: Path, simds: int, minor: int = 0, heap: int = 1, size: int = 0, unique: int = 0) -> None:
    """One entry of the kernel's list, as it writes them."""
    bank = folder / "mem_banks/0"
    bank.mkdir(parents=True)
    (folder / "name").write_text("gfx1100\n" if simds else "\n")
    (folder / "properties").write_text(f"simd_count {simds}\ndrm_render_minor {minor}\nunique_id {unique}\n")
    (bank / "properties").write_text(f"heap_type {heap}\nsize_in_bytes {size}\n")


def test_amds_cards_are_those_of_the_kernels_list_that_compute(tmp_path: Path) -> None:
    nodes, kfd = tmp_path / "nodes", tmp_path / "kfd"
    kfd.touch()
    kfd_node(nodes / "0", simds=0, heap=0, size=64 << 30)
    kfd_node(nodes / "1", simds=384, minor=128, size=24 << 30, unique=0xABC)
    kfd_node(nodes / "10", simds=384, minor=129, size=16 << 30)
    first, second = amd_cards(nodes, str(kfd))
    assert (first.name, first.memory_mb, first.uuid) == ("gfx1100", 24 << 10, "GPU-0000000000000abc")
    assert first.nodes == (str(kfd), "/dev/dri/renderD128")
    assert (second.index, second.uuid, second.memory_mb) == (1, "1", 16 << 10)
    assert [*amd_cards(nodes, str(tmp_path / "absent"))] == []


def test_amds_cards_are_named_as_rocm_does_and_limited_by_frameworks() -> None:
    cards = tuple(Card(Vendor.AMD, n, f"GPU-{n}", "gfx1100", 24 << 10) for n in range(2))
    parts = gpu_parts(GpuShare(1, "fc.gpu.ampere.1", cards, 12 << 10), {}, walled=True)
    assert (parts.env["ROCR_VISIBLE_DEVICES"], parts.env["HIP_VISIBLE_DEVICES"]) == ("GPU-0,GPU-1", "0,1")
    assert parts.env["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.5000"


def test_only_nodes_that_are_here_are_given() -> None:
    assert gpu_parts(GpuShare(1, "t", (T4,), 16384), {}, walled=True).devices == (Device("/dev/null", "/dev/null"),)


def test_what_the_user_sets_wins() -> None:
    own = {"CUDA_VISIBLE_DEVICES": "7", "TF_FORCE_GPU_ALLOW_GROWTH": "false"}
    env = gpu_parts(GpuShare(1, "t", (T4,), 4096), own, walled=True).env
    assert not own.keys() & env.keys() and env["NVIDIA_VISIBLE_DEVICES"] == "GPU-0"


def test_the_multi_process_service_holds_each_card_to_the_slice(tmp_path: Path) -> None:
    (tmp_path / "control").touch()
    service = {"CUDA_MPS_PIPE_DIRECTORY": str(tmp_path)}
    pool = GpuPool(GpuMode.AUTO, find=lambda: Found((T4,)), env=service)
    share = pool.claim(Gpu("fc.gpu.tesla.1", 4096))
    assert share is not None
    parts = gpu_parts(share, {}, walled=True)
    assert parts.env["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=3840M"
    assert [mount.sources for mount in parts.mounts] == [(tmp_path,)]
    contained = pool.claim(Gpu("fc.gpu.tesla.1", 4096), contained=True)
    assert contained is not None and contained.mps == ""


def test_our_files_come_before_the_users_own(tmp_path: Path) -> None:
    (card, *_) = fake_cards(GPU_TYPES["fc.gpu.tesla.1"])
    share = GpuShare(1, "fc.gpu.tesla.1", (card,), 16384, folder=tmp_path)
    env = gpu_parts(share, {"PATH": "/bin", "LD_LIBRARY_PATH": "/code"}, walled=True).env
    assert (env["PATH"], env["LD_LIBRARY_PATH"]) == (f"{GPU_HOME}/bin:/bin", f"{GPU_HOME}/lib:/code")
    without = gpu_parts(share, {}, walled=True).env
    assert without["PATH"].endswith(":/usr/bin:/sbin:/bin") and without["LD_LIBRARY_PATH"] == f"{GPU_HOME}/lib"


def test_doubles_are_as_many_as_an_account_has_at_first(tmp_path: Path) -> None:
    pool = GpuPool(GpuMode.FAKE, cache=tmp_path)
    assert pool.room(Gpu("fc.gpu.tesla.1", 16384)) == 10
    assert pool.room(Gpu("fc.gpu.hopper.1", 8 * 98304)) == 1
    names = {card.uuid for kind in GPU_TYPES.values() for card in fake_cards(kind)}
    assert len(names) == sum(len(fake_cards(kind)) for kind in GPU_TYPES.values())


def test_what_is_not_nvidias_has_no_double() -> None:
    told: list[str] = []
    pool = GpuPool(GpuMode.FAKE, tell=told.append)
    assert pool.claim(Gpu("fc.gpu.xpu.1", 98304)) is None
    assert told == ["--gpu fake has no double of fc.gpu.xpu.1, which is not NVIDIA's: it runs without a card"]


def test_a_claim_whose_files_can_not_be_made_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "compiler", lambda: "")
    pool = GpuPool(GpuMode.AUTO, GpuLimit.INTERPOSE, tmp_path, find=lambda: Found((T4,)))
    with pytest.raises(UserError, match="--gpu-limit interpose needs a C compiler, and none is here"):
        pool.claim(Gpu("fc.gpu.tesla.1", 4096))
    assert pool.held == [] and pool.room(Gpu("fc.gpu.tesla.1", 4096)) == 4


def test_a_compiler_that_fails_is_told_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'dlfcn.h:1: error: no headers are here' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    with pytest.raises(UserError, match=r"the C compiler failed: .*no headers are here"):
        kits.fake_kit(tmp_path / "cache", GPU_TYPES["fc.gpu.tesla.1"], 16384, nodes=True)
    assert [*(tmp_path / "cache").iterdir()] == []


def test_no_room_is_said_with_what_is_free() -> None:
    pool = GpuPool(GpuMode.AUTO, find=lambda: Found((T4,)))
    pool.claim(Gpu("fc.gpu.tesla.1", 12288))
    with pytest.raises(ResourceThrottled, match="asks for 8192 MB, and free are 4096 of 16384 MB of Tesla T4"):
        pool.claim(Gpu("fc.gpu.tesla.1", 8192))


def test_a_smaller_card_is_told_once() -> None:
    told: list[str] = []
    laptop = Card(Vendor.NVIDIA, 0, "GPU-0", "NVIDIA GeForce RTX 3070 Laptop GPU", 8192)
    pool = GpuPool(GpuMode.AUTO, tell=told.append, find=lambda: Found((laptop,)))
    shares = [pool.claim(Gpu("fc.gpu.ada.1", 49152)) for _ in range(1)]
    assert shares[0] is not None and shares[0].whole and pool.room(Gpu("fc.gpu.ada.1", 49152)) == 0
    assert told == [
        "fc.gpu.ada.1 with 49152 MB: no card here has 49152 MB: "
        "it gets all 8192 MB of NVIDIA GeForce RTX 3070 Laptop GPU"
    ]
