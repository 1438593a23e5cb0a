"""The digest changes with what FC would upload, and with nothing else; the checksum is FC's CRC-64."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace
from pathspec import GitIgnoreSpec

from emulator.model.function import (
    BuildStep,
    Function,
    FunctionName,
    Hook,
    Layer,
    MountKind,
    Place,
    RemoteMount,
    Trigger,
    TriggerType,
)
from emulator.model.program import CustomRuntime
from emulator.registry.fingerprint import MAX_SUMMED_BYTES, Contents, Fingerprint, crc64, package_files
from emulator.registry.ignoring import ALWAYS_IGNORED, ignored

FUNCTION = Function(FunctionName("fn"), "python3.10")


def fingerprint(code: Path | None, function: Function = FUNCTION) -> Fingerprint:
    return Contents().fingerprint(replace(function, code=code))


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    (folder / "pkg").mkdir(parents=True)
    (folder / "index.py").write_text("x = 1\n")
    (folder / "pkg" / "a.py").write_text("a\n")
    return folder


def test_crc64_is_the_one_of_the_catalogue() -> None:
    """CRC-64/XZ, which Alibaba Cloud calls CRC-64/ECMA-182: its check value."""
    assert crc64(b"123456789") == 0x995DC9BBDF1939FA
    assert crc64(b"") == 0


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_crc64_can_be_continued(first: bytes, second: bytes) -> None:
    assert crc64(second, crc64(first)) == crc64(first + second)


def test_the_same_code_elsewhere_is_the_same(code: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(code, copy)
    os.utime(copy / "index.py", (1, 1))
    there, here = fingerprint(copy), fingerprint(code)
    assert (there.code, there.checksum) == (here.code, here.checksum)


@pytest.mark.parametrize("change", ["content", "name", "mode", "new", "link", "declaration"])
def test_every_change_shows(code: Path, change: str) -> None:
    before = fingerprint(code)
    function = FUNCTION
    if change == "content":
        (code / "index.py").write_text("x = 2\n")
    elif change == "name":
        (code / "index.py").rename(code / "main.py")
    elif change == "mode":
        (code / "index.py").chmod(0o755)
    elif change == "new":
        (code / "empty").write_text("")
    elif change == "link":
        (code / "l").symlink_to("pkg")
    else:
        function = replace(FUNCTION, timeout=9)
    after = fingerprint(code, function)
    assert after.revision != before.revision
    assert (after.code == before.code) == (change == "declaration")
    assert (after.checksum == before.checksum) == (change == "declaration")


@pytest.mark.parametrize(
    "change",
    [
        {"environment": {"STAGE": "two"}},
        {"memory_mb": 1024},
        {"layers": (Layer("acs:fc:cn-hangzhou:1:layers/a/versions/2"),)},
        {"mounts": (RemoteMount(MountKind.NAS, "host:/", "/mnt/nas"),)},
        {"pre_stop": Hook("index.stop")},
        {"custom_runtime": CustomRuntime(("python3", "app.py"))},
        {"triggers": (Trigger("http", TriggerType.HTTP, {"authType": "anonymous"}),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_all_that_an_instance_is_made_of_counts(code: Path, change: dict[str, object]) -> None:
    before, after = fingerprint(code), fingerprint(code, replace(FUNCTION, **change))
    assert after.revision != before.revision
    assert after.code == before.code


def test_where_and_how_it_was_written_does_not_count(code: Path) -> None:
    trigger = Trigger("http", TriggerType.HTTP)
    written = replace(FUNCTION, triggers=(trigger,), place=Place("s.yaml", 3))
    moved = replace(
        written,
        triggers=(replace(trigger, place=Place("s.yaml", 9)),),
        build=(BuildStep("make", code),),
        place=Place("s.yaml", 8),
    )
    assert fingerprint(code, moved) == fingerprint(code, written)


def test_a_layer_counts_with_its_files(code: Path, tmp_path: Path) -> None:
    (tmp_path / "layer" / "python").mkdir(parents=True)
    file = tmp_path / "layer" / "python" / "tool.py"
    file.write_text("one")
    function = replace(FUNCTION, layers=(Layer("tool", tmp_path / "layer"),))
    before = fingerprint(code, function)
    assert fingerprint(code, function) == before
    file.write_text("three")
    after = fingerprint(code, function)
    assert (after.revision != before.revision, after.code == before.code) == (True, True)
    packed = tmp_path / "layer.zip"
    packed.write_bytes(b"one")
    function = replace(FUNCTION, layers=(Layer("tool", packed),))
    before = fingerprint(code, function)
    os.utime(packed, (1, 1))
    assert fingerprint(code, function) == before
    packed.write_bytes(b"two")
    assert fingerprint(code, function).revision != before.revision


def test_what_is_not_packed_does_not_count(code: Path) -> None:
    (code / ".fcignore").write_text("# comment\n*.log\n/build/\n!keep.log\nnode_modules\n")
    before = fingerprint(code)
    for name in ("a.log", "pkg/b.log", "build/x", "node_modules/m/index.js", ".git/HEAD", ".fclocal/endpoint.json",
                 "__pycache__/index.cpython-311.pyc", ".s/x"):  # fmt: skip
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text("x")
    assert fingerprint(code) == before
    (code / "keep.log").write_text("x")
    (code / "pkg" / "build").mkdir()
    (code / "pkg" / "build" / "y").write_text("x")
    assert {p.relative_to(code).as_posix() for p in package_files(code)} == {
        ".fcignore", "index.py", "pkg/a.py", "keep.log", "pkg/build/y",
    }  # fmt: skip
    assert fingerprint(code) != before


NAMES = st.lists(
    st.sampled_from(
        [
            "a",
            "a.py",
            "x.pyc",
            ".git",
            ".s",
            ".fclocal",
            "__pycache__",
            ".DS_Store",
            ".fcignore",
            "b~",
            ".a.py.swp",
            "4913",
            ".idea",
            "a.py___jb_tmp___",
        ]
    )
)


@given(NAMES.filter(bool), st.booleans())
def test_without_an_ignore_file_names_alone_say_what_the_patterns_would(names: list[str], is_folder: bool) -> None:
    """Of a path that is reached at all: folders that stay out are not entered."""
    patterns = GitIgnoreSpec.from_lines(ALWAYS_IGNORED)
    path = "/".join(names) + "/" * is_folder
    assume(not patterns.match_file("/".join(names[:-1]) + "/") or len(names) == 1)
    assert ignored(Path("/no/such/folder"))(path) == patterns.match_file(path)


def test_links_are_not_followed(code: Path) -> None:
    (code / "loop").symlink_to(".")
    (code / "out").symlink_to("/etc")
    assert {p.name for p in package_files(code)} == {"index.py", "a.py", "loop", "out"}


def test_a_small_archive_has_fcs_own_checksum(tmp_path: Path) -> None:
    (tmp_path / "code.zip").write_bytes(b"PK-not-really" * 10)
    assert fingerprint(tmp_path / "code.zip").checksum == str(crc64(b"PK-not-really" * 10))


def test_a_large_archive_is_summed_by_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "code.zip"
    path.write_bytes(b"\0" * (MAX_SUMMED_BYTES + 1))
    before = fingerprint(path)
    path.write_bytes(b"\0" * MAX_SUMMED_BYTES + b"\1")
    assert fingerprint(path).checksum != before.checksum


def test_no_code_and_missing_code(tmp_path: Path) -> None:
    assert fingerprint(None).checksum == "0"
    assert fingerprint(tmp_path / "absent").checksum == "0"
    assert fingerprint(None).revision != fingerprint(None, replace(FUNCTION, handler="x.y")).revision
