"""What walls are given for an instance: files where FC has them, and host paths where walls can not mount."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.model.errors import ConfigError
from emulator.model.function import Layer, MountKind, RemoteMount, Revision
from emulator.model.launch import Access, Launch, TcpEndpoint, UnixEndpoint
from emulator.model.program import CustomRuntime
from emulator.runtime.compose import ComposeRequest, Composition, compose
from emulator.runtime.spec import RuntimeSpec

Make = Callable[..., Revision]
Ask = Callable[..., ComposeRequest]
Find = Callable[[str], RuntimeSpec]


@pytest.fixture
def composed(revision: Make, spec: Find, request_for: Ask) -> Callable[..., Composition]:
    def make(runtime: str = "python3.10", request: dict[str, object] | None = None, **fields: object) -> Composition:
        return compose(revision(runtime, **fields), spec(runtime), request_for(**(request or {})))

    return make


def seen(launch: Launch) -> dict[str, tuple[list[str], Access]]:
    """Sources, by their last names, and access of each mount by its target."""
    return {mount.target: ([source.name for source in mount.sources], mount.access) for mount in launch.mounts}


def layer(folder: Path, **files: str) -> Layer:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Layer(folder.name, folder)


def test_a_built_in_runtime(composed: Callable[..., Composition], home: Path) -> None:
    made = composed(memory_mb=1024, cpu=0.5)
    launch = made.launch
    assert launch.argv == ("/var/fc/lang/python3.10/bin/python3.10", "-u", "/var/fc/runtime/python3.10/bootstrap.py")
    assert (launch.cwd, launch.endpoint, launch.hostname) == ("/code", UnixEndpoint("/run/fclocal/w.sock"), "c-1")
    prefix = str(home / ".pyenv/versions/3.10.13")
    assert seen(launch) == {
        "/code": (["code"], Access.OVERLAY),
        "/var/fc/runtime/python3.10": (["python"], Access.READ),
        prefix: (["3.10.13"], Access.READ),
    }
    links = {link.target: link.points_to for link in launch.links}
    assert links["/var/fc/lang/python3.10/bin/python3"] == f"{prefix}/bin/python3.10"
    assert (launch.memory_mb, launch.cpu, launch.disk_mb, launch.uid) == (1024, 0.5, 512, 0)
    assert made.notices == ()


def test_a_server_listens_where_it_is_told(composed: Callable[..., Composition], code: Path) -> None:
    (code / "bootstrap").write_text("#!/bin/sh\n")
    (code / "bootstrap").chmod(0o755)
    launch = composed("custom.debian10", {"port": 18000}).launch
    assert (launch.argv, launch.display, launch.endpoint) == (
        ("/code/bootstrap",), "/code/bootstrap ", TcpEndpoint(18000),
    )  # fmt: skip
    assert launch.env["FC_SERVER_PORT"] == "18000"


@pytest.mark.parametrize(("request_", "fields"), [({"strict": True}, {}), ({}, {"user_id": 10003})])
def test_who_may_not_write_to_the_code(
    composed: Callable[..., Composition], tmp_path: Path, request_: dict[str, object], fields: dict[str, object]
) -> None:
    """With --strict, and as another user than root, which may write to /tmp only (runtime-contract.md §7.1)."""
    layers = (layer(tmp_path / "a", x="1"),)
    mounts = seen(composed(request=request_, layers=layers, **fields).launch)
    assert (mounts["/code"][1], mounts["/opt"][1]) == (Access.READ, Access.READ)


def test_layers_lie_over_each_other_and_the_first_wins(composed: Callable[..., Composition], tmp_path: Path) -> None:
    layers = (layer(tmp_path / "a", both="a"), layer(tmp_path / "b", both="b", own="b"))
    assert seen(composed(layers=layers).launch)["/opt"] == (["a", "b"], Access.OVERLAY)
    merged = next(m for m in composed(request={"overlays": False}, layers=layers).launch.mounts if m.target == "/opt")
    (folder,) = merged.sources
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"both": "a", "own": "b"}
    again = next(m for m in composed(request={"overlays": False}, layers=layers).launch.mounts if m.target == "/opt")
    assert again.sources == merged.sources, "made once"


def test_a_folder_of_an_earlier_layer_hides_a_file_of_a_later_one(
    composed: Callable[..., Composition], tmp_path: Path
) -> None:
    layers = (layer(tmp_path / "a", **{"x/y": "a"}), layer(tmp_path / "b", x="b"))
    made = composed(request={"overlays": False}, layers=layers).launch
    (folder,) = next(m for m in made.mounts if m.target == "/opt").sources
    assert (folder / "x" / "y").read_text() == "a"


def test_a_layer_that_is_not_here_is_told(composed: Callable[..., Composition]) -> None:
    made = composed(layers=(Layer("acs:fc:cn-hangzhou:1:layers/gone/versions/1"),))
    assert "/opt" not in seen(made.launch)
    assert made.notices == ("layer acs:fc:cn-hangzhou:1:layers/gone/versions/1 of function hello is not in /opt",)


@pytest.mark.parametrize(
    ("kind", "remote", "folder"),
    [
        (MountKind.NAS, "nas.example.com:/a b", "nas/nas.example.com/a_b"),
        (MountKind.NAS, "x:/../../../etc", "nas/x/etc"),
        (MountKind.OSS, "bucket:/", "oss/bucket"),
        (MountKind.OSS, "..:/..", "oss/default"),
        (MountKind.NAS, "", "nas/default"),
        (MountKind.OSS, "oss://b/x\0y", "oss/b/x_y"),
    ],
)
def test_remote_folders_live_in_the_state_folder(
    composed: Callable[..., Composition], tmp_path: Path, kind: MountKind, remote: str, folder: str
) -> None:
    made = composed(mounts=(RemoteMount(kind, remote, "/mnt/x", read_only=kind is MountKind.OSS),)).launch
    mount = next(m for m in made.mounts if m.target == "/mnt/x")
    assert mount.sources == (tmp_path / ".fclocal" / folder,)
    assert mount.access is (Access.READ if kind is MountKind.OSS else Access.WRITE)
    assert mount.sources[0].stat().st_mode & 0o777 == 0o777, "as NAS makes a missing folder"


def test_a_remote_folder_that_can_not_be_made_is_told(composed: Callable[..., Composition], tmp_path: Path) -> None:
    (tmp_path / ".fclocal").mkdir()
    (tmp_path / ".fclocal" / "nas").write_text("in the way")
    with pytest.raises(ConfigError, match=r"nas/x can not be made"):
        composed(mounts=(RemoteMount(MountKind.NAS, "x:/", "/mnt/x"),))


def test_walls_without_mounts_get_the_hosts_paths(
    composed: Callable[..., Composition], tmp_path: Path, code: Path
) -> None:
    layers = (layer(tmp_path / "words", x="1"),)
    env = {"DATA": "/code/data:/opt/x", "URL": "http://host/code/x", "NOTE": "(/code)", "LIKE": "/codec /optional"}
    made = composed(request={"mounts": False}, layers=layers, environment=env)
    launch, words = made.launch, tmp_path / "words"
    assert launch.cwd == str(code)
    assert (launch.env["DATA"], launch.env["NOTE"]) == (f"{code}/data:{words}/x", f"({code})")
    assert (launch.env["URL"], launch.env["LIKE"]) == ("http://host/code/x", "/codec /optional")
    assert launch.env["FC_FUNC_CODE_PATH"] == f"{code}/"
    assert launch.env["FCLOCAL_LAYERS"] == str(words), "bootstraps look for layers there"
    links = tmp_path / ".fclocal" / "links"
    assert launch.argv[0] == f"{links}/var/fc/lang/python3.10/bin/python3.10"
    assert os.readlink(launch.argv[0]).endswith("versions/3.10.13/bin/python3.10")
    assert launch.argv[2].endswith("runtimes/python/bootstrap.py")
    assert all(mount.target == str(mount.sources[0]) for mount in launch.mounts)
    assert launch.links == ()
    assert any(f"/code is {code}" in notice and "can not mount" in notice for notice in made.notices)
    assert any("stays in" in notice for notice in made.notices)


def test_what_is_odd_is_told_in_full_sentences(composed: Callable[..., Composition]) -> None:
    made = composed("python3.9", environment={"FC_REGION": "x", "A": "1"})
    assert "FC_REGION" in made.launch.env and made.launch.env["FC_REGION"] == "cn-hangzhou"
    version, name = made.notices
    assert version.startswith("python3.9 was asked for, 3.10.13 is used (")
    assert name == "the variable FC_REGION of function hello is left out: Function Compute reserves such names"


def test_no_code(composed: Callable[..., Composition], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="function hello has no code"):
        composed(code_dir=None)
    with pytest.raises(ConfigError) as caught:
        composed(code_dir=tmp_path / "gone")
    assert "is not there" in caught.value.message
    assert caught.value.next_step == "build it first, or correct `code`"


def test_the_command_is_shown_as_fc_writes_it(composed: Callable[..., Composition]) -> None:
    program = CustomRuntime(("python3",), ("app.py", "--x"))
    assert composed("custom.debian10", custom_runtime=program).launch.display == "python3 app.py --x "
