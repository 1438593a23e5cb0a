"""What is decided about containers without one: recipes, exits, owners, engines, and which function is in one."""

from __future__ import annotations

import os
import platform
import signal
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from emulator.config.settings import Settings
from emulator.model.errors import SandboxError
from emulator.model.function import Function, FunctionName
from emulator.model.image import Image as Described
from emulator.model.launch import Access, Exit, Launch, Mount, Network, UnixEndpoint, WallsKind
from emulator.runtime.container import other_processor
from emulator.sandbox.container import labels
from emulator.sandbox.container.base_image import skeleton
from emulator.sandbox.container.engine import Engine, engine_urls
from emulator.sandbox.container.entry import Entry, exit_of, make_entry
from emulator.sandbox.container.images import Image
from emulator.sandbox.container.place import link_folders, overlays_of
from emulator.sandbox.container.recipe import Own, Site, config, volumes
from emulator.sandbox.folders import InstanceFolders

HELLO = Function(FunctionName("hello"), "python3.10")


def launch_of(**changes: Any) -> Launch:
    made = Launch(("python3", "x.py"), {"A": "b=c"}, "/code", UnixEndpoint("/run/fclocal/w.sock"), hostname="c-1")
    return replace(made, **changes)


def site_of(folder: Path, **changes: Any) -> Site:
    entry = Entry(folder, ("/run/fclocal-entry/sh",))
    return replace(Site("c-1", Image("sha256:1"), folder, {"fclocal.run": "r"}, Own(entry, folder, folder)), **changes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0", Exit(0)),
        ("3 0", Exit(3)),
        ("255 0", Exit(255)),  # 127 is no signal
        ("139 0", Exit(None, signal.SIGSEGV)),
        ("137 0", Exit(None, signal.SIGKILL)),
        ("137 2", Exit(None, signal.SIGKILL, oom=True)),
        ("143 1", Exit(None, signal.SIGTERM)),  # some child was killed for memory, and it was not that
        ("", None),
        ("137", None),
    ],
)
def test_what_the_shell_wrote_tells_how_a_program_ended(text: str, expected: Exit | None) -> None:
    assert exit_of(text) == expected


def test_limits_and_mounts_are_asked_of_the_engine(tmp_path: Path) -> None:
    launch = launch_of(memory_mb=512, cpu=0.35, uid=1000, gid=1000, mounts=(Mount((tmp_path,), "/mnt/nas"),))
    asked = config(launch, site_of(tmp_path, read_only=True))
    host = asked["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (512 << 20, 512 << 20, 350_000_000)
    assert asked["User"] == "1000:1000" and host["ReadonlyRootfs"] and asked["Env"] == ["A=b=c"]
    assert asked["Entrypoint"][-2:] == ["python3", "x.py"]
    seen = {mount["Target"]: mount for mount in host["Mounts"]}
    assert seen["/mnt/nas"] == {"Type": "bind", "Source": str(tmp_path), "Target": "/mnt/nas", "ReadOnly": True}
    assert not seen["/run/fclocal"]["ReadOnly"] and "/usr" not in seen
    assert "/usr" in {mount["Target"] for mount in config(launch, site_of(tmp_path, image=Image("x", host=True)))[
        "HostConfig"]["Mounts"]}  # fmt: skip


def test_an_image_keeps_its_user_and_its_command(tmp_path: Path) -> None:
    asked = config(launch_of(image="mine", argv=(), cwd=""), site_of(tmp_path, image=Image("sha256:1", argv=("run",))))
    assert "User" not in asked and "WorkingDir" not in asked
    assert asked["Entrypoint"][-1] == "run"


@pytest.mark.parametrize(
    ("network", "mode", "host"),
    [(Network.HOST, "host", "127.0.0.1"), (Network.PRIVATE, "bridge", "host-gateway"), (Network.NONE, "none", "127")],
)
def test_networks_by_the_engines_names(tmp_path: Path, network: Network, mode: str, host: str) -> None:
    asked = config(launch_of(network=network), site_of(tmp_path))["HostConfig"]
    assert asked["NetworkMode"] == mode
    assert any(line.startswith(f"host.docker.internal:{host}") for line in asked["ExtraHosts"])


def test_an_overlay_is_a_volume_whatever_its_path_holds(tmp_path: Path) -> None:
    odd = tmp_path / "a,b:c"
    odd.mkdir()
    folders = InstanceFolders(tmp_path / "root", tmp_path / "sockets", "r")
    folders.root.mkdir()
    folders.sockets.mkdir()
    launch = launch_of(mounts=(Mount((odd, tmp_path), "/opt", Access.OVERLAY),))
    overlays = overlays_of(launch, folders, read_only=False)
    made = volumes(site_of(tmp_path, overlays=overlays))["/opt"]
    options = made["driver_opts"]["o"].split(",")
    assert [option.partition("=")[0] for option in options] == ["lowerdir", "upperdir", "workdir"]
    assert "a,b" not in made["driver_opts"]["o"] and overlays[0].upper.is_dir()
    assert not overlays_of(launch_of(mounts=(Mount((odd,), "/code", Access.OVERLAY),)), folders, read_only=True)


def test_links_leave_room_for_what_is_mounted_beside_them(tmp_path: Path) -> None:
    from emulator.model.launch import Link

    folders = InstanceFolders(tmp_path, tmp_path, "r")
    launch = launch_of(
        links=(Link("/var/fc/bin/python3", "/usr/bin/python3"),), mounts=(Mount((tmp_path,), "/var/fc/bin/deep/er"),)
    )
    (folder,) = link_folders(launch, folders).values()
    assert (folder / "python3").readlink() == Path("/usr/bin/python3") and (folder / "deep/er").is_dir()


def test_the_shell_comes_with_all_that_it_needs(tmp_path: Path) -> None:
    entry = make_entry(tmp_path / "entry", Path("/bin/sh"))
    assert (tmp_path / "entry" / "sh").exists() and entry.sh[-1].endswith("/sh")
    with pytest.raises(SandboxError):
        make_entry(tmp_path / "other", Path(__file__))


def test_the_base_image_is_the_same_each_time() -> None:
    assert skeleton() == skeleton()
    with tarfile.open(fileobj=BytesIO(skeleton())) as archive:
        assert {"code", "etc", "tmp", "usr"} <= set(archive.getnames())


def test_owners_are_known_by_their_process() -> None:
    ours = labels.of_run("r")
    assert not labels.is_left(ours)
    assert labels.is_left({**ours, labels.STARTED: "1"})  # another process has the number now
    assert not labels.is_left({**ours, labels.PID: "x", labels.STARTED: "1"})
    elsewhere = {**ours, labels.MACHINE: "other", labels.STARTED: "1"}
    assert not labels.is_left(elsewhere) and not labels.is_here(elsewhere)
    assert not labels.is_left({})
    assert int(ours[labels.PID]) == os.getpid()


def test_engines_are_looked_for_where_they_listen(tmp_path: Path) -> None:
    assert engine_urls({"DOCKER_HOST": "tcp://there"}) == ["tcp://there"]
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman" / "podman.sock").touch()
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    assert f"unix://{tmp_path}/podman/podman.sock" in engine_urls(environ)


@pytest.mark.parametrize("url", ["unix:///var/run/docker.sock", "tcp://127.0.0.1:2375", "tcp://localhost:2375"])
def test_an_engine_is_near_by_its_socket_and_its_kernel(url: str) -> None:
    other = Engine(None, url, {"KernelVersion": "1.2.3-desktop"})
    same = Engine(None, url, {"KernelVersion": platform.release()})
    assert not other.is_near and same.is_near == url.startswith("unix:")
    other.require_this_machine()


@pytest.mark.parametrize("url", ["tcp://192.0.2.1:2375", "ssh://me@there"])
def test_an_engine_of_another_machine_is_refused_with_the_reason(url: str) -> None:
    with pytest.raises(SandboxError) as refused:
        Engine(None, url, {}).require_this_machine()
    assert url in str(refused.value) and "--walls process" in refused.value.next_step


@pytest.mark.parametrize(
    ("walls", "runtime", "expected"),
    [
        ("auto", "python3.10", WallsKind.PROCESS),
        ("auto", "custom-container", WallsKind.CONTAINER),
        ("container", "python3.10", WallsKind.CONTAINER),
        ("process", "custom-container", WallsKind.PROCESS),
        ("plain", "custom-container", WallsKind.PROCESS),
    ],
)
def test_which_walls_a_function_has(walls: str, runtime: str, expected: WallsKind) -> None:
    assert Settings(walls=walls).walls_of(replace(HELLO, runtime=runtime)) is expected


def test_an_image_for_another_processor_is_told() -> None:
    image = Described("team/image:1", architecture="amd64")
    assert not [*other_processor(image, "x86_64")] and not [*other_processor(Described("x"), "aarch64")]
    (told,) = other_processor(image, "arm64")
    assert "team/image:1 is built for x86_64" in told and "aarch64" in told
