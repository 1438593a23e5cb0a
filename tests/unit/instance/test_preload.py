"""What of an instance's modules a template loads, and when that does not hold any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from emulator.instance.preload import Preload, select, shadowed, with_files
from emulator.instance.stamps import stamps
from emulator.model.launch import Access, Launch, Mount, UnixEndpoint

PREFIX = "/usr/lib/python3.12"
SEARCH = ["/code", "/opt/python", "/code/3rd-packages", PREFIX]


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    packages = tmp_path / "code/3rd-packages"
    for name in ("yaml", "yaml-6.0.dist-info"):
        (packages / name).mkdir(parents=True)
    (packages / "yaml-6.0.dist-info/RECORD").write_text("yaml/__init__.py,sha256=x,3\nyaml/_c.so,,\nsix.py,,\n")
    for file in ("yaml/__init__.py", "yaml/_c.so", "six.py", "mine.py"):
        (packages / file).write_text("")
    (tmp_path / "code/index.py").write_text("")
    mounts = (Mount((tmp_path / "code",), "/code", Access.OVERLAY),)
    return Launch(("python",), {"FCLOCAL_LAYERS": "/opt"}, "/code", UnixEndpoint("/w.sock"), mounts)


def told(*modules: tuple[str, str | None], **more: Any) -> dict[str, Any]:
    return {"modules": [list(it) for it in modules], "path": SEARCH, "prefixes": [PREFIX], **more}


def test_packages_are_chosen_and_code_is_not(launch: Launch) -> None:
    found = select(
        told(
            ("queue", f"{PREFIX}/queue.py"),
            ("_queue", None),
            ("yaml._c", "/code/3rd-packages/yaml/_c.so"),
            ("yaml", "/code/3rd-packages/yaml/__init__.py"),
            ("six", "/code/3rd-packages/six.py"),
            ("mine", "/code/3rd-packages/mine.py"),
            ("index", "/code/index.py"),
            ("nas", "/mnt/nas/nas.py"),
        ),
        launch,
    )
    assert [name for name, _ in found.modules] == ["queue", "_queue", "yaml._c", "yaml", "six"]
    assert set(found.allowed) == {"/code/3rd-packages/yaml/", "/code/3rd-packages/six.py"}
    assert found.packages == ("six", "yaml")
    assert "index" in found.known
    assert found.editable == ("/code", "/opt")


def test_packages_of_a_layer_are_named_too(launch: Launch, tmp_path: Path) -> None:
    layer = tmp_path / "layer/python"
    (layer / "numpy-2.0.dist-info").mkdir(parents=True)
    (layer / "numpy").mkdir()
    (layer / "numpy-2.0.dist-info/RECORD").write_text("numpy/__init__.py,,\n")
    (layer / "numpy/__init__.py").write_text("")
    launch = replace(launch, mounts=(*launch.mounts, Mount((tmp_path / "layer",), "/opt", Access.READ)))
    modules = told(("queue", f"{PREFIX}/queue.py"), ("numpy", "/opt/python/numpy/__init__.py"))
    assert select(modules, launch).packages == ("numpy",)


@pytest.mark.parametrize("garbage", [{}, {"modules": "x"}, {"modules": [1, ["a"], ["a", 2]]}, {"path": [1, None]}])
def test_an_instance_may_tell_anything(launch: Launch, garbage: dict[str, Any]) -> None:
    select(garbage, launch)


def test_only_what_code_set_counts(launch: Launch) -> None:
    environ = {"OMP_NUM_THREADS": "1", "FC_REGION": "x", "FCLOCAL_RUN": "x", "PYDEVD_X": "1"}
    assert select(told(environ=environ), launch).environ == {"OMP_NUM_THREADS": "1"}


def test_a_changed_file_is_noticed(launch: Launch, tmp_path: Path) -> None:
    found = with_files(Preload(), ["/code/3rd-packages/six.py", 7], launch)
    before = stamps(found.watched)
    assert stamps(found.watched) == before
    (tmp_path / "code/3rd-packages/six.py").write_text("changed")
    assert stamps(found.watched) != before


def test_a_file_before_a_loaded_module_is_found(launch: Launch, tmp_path: Path) -> None:
    found = select(told(), launch)
    names = {"yaml": "/code/3rd-packages/yaml/__init__.py", "queue": f"{PREFIX}/queue.py", "built": "built-in"}
    assert shadowed(found, names, launch) == ""
    (tmp_path / "code/built.py").write_text("")
    (tmp_path / "code/queue.txt").write_text("")
    (tmp_path / "code/queue").mkdir()  # no package
    assert shadowed(found, names, launch) == ""
    (tmp_path / "code/queue.py").write_text("")
    assert shadowed(found, names, launch) == "/code/queue.py"
    (tmp_path / "code/queue.py").unlink()
    (tmp_path / "code/yaml").mkdir()
    (tmp_path / "code/yaml/__init__.py").write_text("")
    assert shadowed(found, names, launch) == "/code/yaml"


def test_what_comes_later_on_the_path_is_no_shadow(launch: Launch, tmp_path: Path) -> None:
    found = replace(select(told(), launch), path=("/code", "/code/3rd-packages"))
    assert shadowed(found, {"six": "/code/six.py"}, launch) == ""
