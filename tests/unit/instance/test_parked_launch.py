"""Which functions can have spares, what these are parked with, and for whom they will do."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from emulator.instance import ahead, spares
from emulator.model.launch import Access, Launch, Mount, Network, TcpEndpoint, UnixEndpoint
from emulator.runtime.spec import Kind, RuntimeSpec

ENV = {
    "FC_INSTANCE_ID": "c-1",
    "FC_FUNCTION_NAME": "fn",
    "FCLOCAL_DEBUG_TOKEN": "secret",
    "FCLOCAL_LAYERS": "/opt",
    "LD_LIBRARY_PATH": "/code:/code/lib:/usr/local/lib:/opt/lib",
}


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    for name in ("code", "first", "second"):
        (tmp_path / name).mkdir()
    mounts = (
        Mount((tmp_path / "code",), "/code", Access.OVERLAY),
        Mount((tmp_path / "first", tmp_path / "second"), "/opt", Access.OVERLAY),
    )
    return Launch(("/var/fc/node",), ENV, "/code", UnixEndpoint("/w.sock"), mounts=mounts, hostname="c-1")


def with_env(launch: Launch, **more: str) -> Launch:
    return replace(launch, env={**launch.env, **more})


def test_a_spare_is_parked_under_its_own_name_and_without_a_token(launch: Launch) -> None:
    parked = spares.parked(launch)("c-2")
    assert parked.hostname == parked.env["FC_INSTANCE_ID"] == "c-2"
    assert "FCLOCAL_DEBUG_TOKEN" not in parked.env
    assert parked.env[spares.MARK]
    assert replace(parked, env={}, hostname="") == replace(launch, env={}, hostname="")


def test_instances_that_differ_in_what_is_their_own_share_spares(launch: Launch) -> None:
    other = replace(with_env(launch, FC_INSTANCE_ID="c-2", FCLOCAL_DEBUG_TOKEN="other"), hostname="c-2")
    assert spares.key(other) == spares.key(launch)


@pytest.mark.parametrize("name", ["FC_FUNCTION_NAME", "NODE_OPTIONS", "TZ", "ANYTHING"])
def test_any_other_variable_makes_other_spares(launch: Launch, name: str) -> None:
    assert spares.key(with_env(launch, **{name: "new"})) != spares.key(launch)


def test_a_folder_that_was_put_in_the_place_of_another_makes_other_spares(launch: Launch, tmp_path: Path) -> None:
    before = spares.key(launch)
    (tmp_path / "code").rename(tmp_path / "gone")
    (tmp_path / "code").mkdir()
    assert spares.key(launch) != before


def test_a_folder_of_libraries_that_comes_to_be_makes_other_spares(launch: Launch, tmp_path: Path) -> None:
    before = spares.key(launch)
    (tmp_path / "second/lib").mkdir()
    assert spares.key(launch) != before


@pytest.mark.parametrize(
    "flags",
    [
        "--require ./x.js",
        "--require=x",
        "-r x",
        "--import=x",
        "--loader=x",
        "--experimental-loader x",
        "--inspect",
        "--inspect-brk=9229",
        "--cpu-prof",
        "--heap-prof",
        "--icu-data-dir=/code/icu",
        "--enable-source-maps --openssl-config=a.cnf",
    ],
)
def test_flags_that_load_or_watch_something_hinder(launch: Launch, flags: str) -> None:
    assert "in NODE_OPTIONS" in spares.hindrance(with_env(launch, NODE_OPTIONS=flags))


@pytest.mark.parametrize("flags", ["", "--enable-source-maps", "--max-semi-space-size=64 --no-warnings"])
def test_other_flags_do_not(launch: Launch, flags: str) -> None:
    assert not spares.hindrance(with_env(launch, NODE_OPTIONS=flags))


@pytest.mark.parametrize("name", spares.EARLY)
def test_variables_that_name_files_hinder(launch: Launch, name: str) -> None:
    assert name in spares.hindrance(with_env(launch, **{name: "/code/x"}))
    assert not spares.hindrance(with_env(launch, **{name: ""}))


@pytest.mark.parametrize("file", ["code/libstdc++.so.6", "second/lib/libz.so.1", "first/lib/glibc-hwcaps"])
def test_libraries_before_those_of_the_interpreter_hinder(launch: Launch, tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    assert (tmp_path / file).name in spares.hindrance(launch)


def test_other_files_do_not(launch: Launch, tmp_path: Path) -> None:
    for name in ("index.js", "libvips.so.42", "libcanvas.so", "lib.js", "libs"):
        (tmp_path / "code" / name).touch()
    assert not spares.hindrance(launch)


@pytest.mark.parametrize(
    ("files", "variables", "why"),
    [
        (
            ("packages/sitecustomize.py",),
            {"PYTHONPATH": "/code/packages"},
            "sitecustomize.py in PYTHONPATH is",
        ),
        (("packages/enum/__init__.py",), {"PYTHONPATH": "/code:/code/packages"}, "enum in PYTHONPATH is imported"),
        (("types.py",), {"PYTHONPATH": "."}, "types.py in PYTHONPATH is imported"),
        ((), {"PYTHONUSERBASE": "/code/base"}, "PYTHONUSERBASE is read when a process starts"),
        (("lib/libpython3.10.so.1.0",), {}, "libpython3.10.so.1.0 stands before a library"),
    ],
)
def test_what_python_reads_when_it_starts_is_left_to_the_start(
    launch: Launch, tmp_path: Path, files: tuple[str, ...], variables: dict[str, str], why: str
) -> None:
    for name in files:
        (tmp_path / "code" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "code" / name).touch()
    assert why in spares.hindrance(with_env(launch, **variables))


def test_packages_of_the_users_are_no_hindrance(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "code/packages/requests").mkdir(parents=True)
    (tmp_path / "code/enum.py").touch()
    assert not spares.hindrance(with_env(launch, PYTHONPATH="/code/packages:/opt/python:/usr/lib"))


def test_a_container_ahead_of_time_is_made_for_programs_whose_port_is_the_same(launch: Launch) -> None:
    (way,) = ahead.ways(RuntimeSpec("custom", "", Path(), Kind.PROGRAM, search_paths=False), Walls())
    program = replace(launch, endpoint=TcpEndpoint(9000), network=Network.PRIVATE)
    assert not way.hindrance(program)
    assert not way.hindrance(replace(launch, network=Network.HOST)), "a socket of its own"
    assert "each instance has another port" in way.hindrance(replace(program, network=Network.HOST))
    assert "another port each time" in way.hindrance(replace(program, debug_port=5000))
    assert way.key(program) == way.key(with_env(program, FC_INSTANCE_ID="c-2", FCLOCAL_DEBUG_TOKEN="other"))
    assert way.key(program) != way.key(replace(program, image="other"))


class Walls:
    """In which programs are started late, and none is parked."""

    parks = False
    builds_ahead = True
