"""Deployments: archives of code and layers become folders, whatever is in them."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from emulator.journal.journal import Journal
from emulator.model.errors import ConfigError, FunctionNotFound, ServiceNotFound, StartFailed, VersionNotFound
from emulator.model.function import Function, FunctionName, Layer, Revision
from emulator.model.program import CustomRuntime
from emulator.registry.registry import Registry

NAME = FunctionName("fn")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / ".fclocal", Journal())


def pack(path: Path, files: Mapping[str, str], mode: int = 0o644, kind: int = stat.S_IFREG) -> Path:
    with zipfile.ZipFile(path, "w") as out:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (kind | mode) << 16
            out.writestr(info, content)
    return path


def custom(code: Path, *command: str) -> Function:
    return Function(NAME, "custom.debian10", code=code, custom_runtime=CustomRuntime(command))


def test_packed_code_is_unpacked_with_its_x_bits(registry: Registry, tmp_path: Path) -> None:
    revision = registry.deploy(custom(pack(tmp_path / "code.zip", {"bootstrap": "#!/bin/sh"}, 0o755)))
    assert revision.code_dir is not None
    assert stat.S_IMODE((revision.code_dir / "bootstrap").stat().st_mode) == 0o755


def test_a_jar_is_kept_whole_where_java_runs_it(registry: Registry, tmp_path: Path) -> None:
    jar = pack(tmp_path / "app.jar", {"Main.class": "x"})
    run, unpacked = registry.deploy(custom(jar, "java -jar", "app.jar")), registry.deploy(custom(jar, "java", "Main"))
    assert [[file.name for file in sorted(it.code_dir.iterdir())] for it in (run, unpacked) if it.code_dir] == [
        ["app.jar"],
        ["Main.class"],
    ]


def test_a_packed_layer_becomes_a_folder(registry: Registry, tmp_path: Path) -> None:
    layers = (Layer("a", pack(tmp_path / "a.zip", {"bin/tool": "1"}, 0o755)), Layer("b", tmp_path), Layer("c"))
    revision = registry.deploy(Function(NAME, "python3.10", layers=layers))
    tool = revision.function.layers[0].path
    assert tool is not None
    assert stat.S_IMODE((tool / "bin/tool").stat().st_mode) == 0o755
    assert revision.function.layers[1:] == layers[1:]


def test_a_changed_archive_is_unpacked_anew(registry: Registry, tmp_path: Path) -> None:
    def deployed(content: str) -> Revision:
        code = pack(tmp_path / "code.zip", {"index.py": content})
        layer = pack(tmp_path / "layer.zip", {"python/tool.py": content})
        return registry.deploy(Function(NAME, "python3.10", code=code, layers=(Layer("tool", layer),)))

    def text(revision: Revision) -> list[str]:
        layer = revision.function.layers[0].path
        assert revision.code_dir is not None and layer is not None
        return [(revision.code_dir / "index.py").read_text(), (layer / "python/tool.py").read_text()]

    old, new = deployed("1"), deployed("2")
    assert (text(old), text(new)) == (["1", "1"], ["2", "2"])
    assert (old.number, new.number) == (1, 2)
    assert old.fingerprint != new.fingerprint


HOSTILE = {
    "upwards": {"../../escaped": "x"},
    "absolute": {"/tmp/escaped": "x"},
    "backslash": {"..\\escaped": "x"},
    "a drive": {"C:\\escaped": "x"},
    "a bomb": {"zeros": "0" * 300_000_000},
}


@pytest.mark.parametrize("as_layer", [False, True], ids=["code", "layer"])
@pytest.mark.parametrize("kind", [*HOSTILE, "a link out"])
def test_a_hostile_archive_is_refused_and_leaves_nothing(
    registry: Registry, tmp_path: Path, kind: str, as_layer: bool
) -> None:
    packed = tmp_path / "evil.zip"
    if kind == "a link out":
        pack(packed, {"passwd": "../../../etc/passwd"}, 0o777, stat.S_IFLNK)
    else:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
            for name, content in HOSTILE[kind].items():
                out.writestr(name, content)
    function = Function(NAME, "python3.10", layers=(Layer("evil", packed),)) if as_layer else custom(packed)
    with pytest.raises(ConfigError, match=r"evil\.zip: archive "):
        registry.deploy(function)
    assert registry.latest(NAME) is None
    assert [file.name for file in tmp_path.rglob("*") if file.is_file() or file.is_symlink()] == ["evil.zip"]


def test_callers_of_a_refused_function_get_the_reason(registry: Registry) -> None:
    registry.refuse(NAME, StartFailed("FunctionNotStarted", "no such runtime here"))
    with pytest.raises(StartFailed, match="no such runtime here"):
        registry.resolve(NAME)
    revision = registry.deploy(Function(NAME, "python3.10"))
    assert registry.resolve(NAME) is revision


def test_names_that_are_not_there(registry: Registry) -> None:
    registry.deploy(Function(NAME, "python3.10"))
    with pytest.raises(FunctionNotFound):
        registry.resolve(FunctionName("other"))
    with pytest.raises(ServiceNotFound):
        registry.resolve(FunctionName("fn", "shop"))
    with pytest.raises(VersionNotFound):
        registry.resolve(NAME, "7")


def unpacked(state: Path) -> list[str]:
    return sorted(path.name for kind in ("code", "unpacked-layers") for path in (state / kind).glob("*"))


def packed_function(tmp_path: Path, content: str) -> Function:
    code = pack(tmp_path / f"{content}.zip", {"index.py": content})
    return Function(
        NAME, "python3.10", code=code, layers=(Layer("tool", pack(tmp_path / "layer.zip", {"a": content})),)
    )


def test_what_no_function_uses_any_more_is_pruned_and_nothing_else(tmp_path: Path) -> None:
    state = tmp_path / ".fclocal"
    before = Registry(state, Journal())
    before.deploy(packed_function(tmp_path, "old"))
    old = unpacked(state)
    before.close()
    half = state / "code" / ".new-abandoned"
    busy = state / "unpacked-layers" / ".new-busy"
    for folder in (half, busy, state / "code" / "my-own", state / "unpacked-layers" / f"{'a' * 64}-mine"):
        folder.mkdir()
        (folder / "file").write_text("x")
    os.utime(half, (0, 0))
    (state / "code" / ("b" * 64)).symlink_to(tmp_path)

    registry = Registry(state, Journal())
    revision = registry.deploy(packed_function(tmp_path, "new"))
    registry.prune()
    layer = revision.function.layers[0].path
    assert revision.code_dir is not None and layer is not None
    kept = {revision.code_dir.name, layer.name, ".new-busy", "my-own", f"{'a' * 64}-mine", "b" * 64}
    assert set(unpacked(state)) == kept
    assert len(old) == 2 and not kept & set(old)
    assert (revision.code_dir / "index.py").read_text() == "new"
    assert (tmp_path / "old.zip").exists(), "nothing behind a link was touched"


def test_what_a_neighbour_uses_is_not_pruned(tmp_path: Path) -> None:
    state = tmp_path / ".fclocal"
    neighbour, registry = Registry(state, Journal()), Registry(state, Journal())
    theirs = neighbour.deploy(packed_function(tmp_path, "theirs"))
    registry.prune()
    assert theirs.code_dir is not None and (theirs.code_dir / "index.py").read_text() == "theirs"
    assert len(unpacked(state)) == 2
    neighbour.close()
    registry.prune()
    assert unpacked(state) == []
