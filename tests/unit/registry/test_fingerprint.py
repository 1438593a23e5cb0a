"""The digest changes with what FC would upload, and with nothing else; the checksum is FC's CRC-64."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.model.function import Function, FunctionName
from emulator.registry.fingerprint import MAX_SUMMED_BYTES, crc64, fingerprint, package_files

FUNCTION = Function(FunctionName("fn"), "python3.10")


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
    assert fingerprint(copy, FUNCTION) == fingerprint(code, FUNCTION)


@pytest.mark.parametrize("change", ["content", "name", "mode", "new", "link", "declaration"])
def test_every_change_shows(code: Path, change: str) -> None:
    before = fingerprint(code, FUNCTION)
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
    digest, checksum = fingerprint(code, function)
    assert digest != before[0]
    assert (checksum == before[1]) == (change == "declaration")


def test_what_is_not_packed_does_not_count(code: Path) -> None:
    (code / ".fcignore").write_text("# comment\n*.log\n/build/\n!keep.log\nnode_modules\n")
    before = fingerprint(code, FUNCTION)
    for name in ("a.log", "pkg/b.log", "build/x", "node_modules/m/index.js", ".git/HEAD", ".fclocal/endpoint.json",
                 "__pycache__/index.cpython-311.pyc", ".s/x"):  # fmt: skip
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text("x")
    assert fingerprint(code, FUNCTION) == before
    (code / "keep.log").write_text("x")
    (code / "pkg" / "build").mkdir()
    (code / "pkg" / "build" / "y").write_text("x")
    assert {p.relative_to(code).as_posix() for p in package_files(code)} == {
        ".fcignore", "index.py", "pkg/a.py", "keep.log", "pkg/build/y",
    }  # fmt: skip
    assert fingerprint(code, FUNCTION) != before


def test_links_are_not_followed(code: Path) -> None:
    (code / "loop").symlink_to(".")
    (code / "out").symlink_to("/etc")
    assert {p.name for p in package_files(code)} == {"index.py", "a.py", "loop", "out"}


def test_a_small_archive_has_fcs_own_checksum(tmp_path: Path) -> None:
    (tmp_path / "code.zip").write_bytes(b"PK-not-really" * 10)
    assert fingerprint(tmp_path / "code.zip", FUNCTION)[1] == str(crc64(b"PK-not-really" * 10))


def test_a_large_archive_is_summed_by_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "code.zip"
    path.write_bytes(b"\0" * (MAX_SUMMED_BYTES + 1))
    before = fingerprint(path, FUNCTION)
    path.write_bytes(b"\0" * MAX_SUMMED_BYTES + b"\1")
    assert fingerprint(path, FUNCTION)[1] != before[1]


def test_no_code_and_missing_code(tmp_path: Path) -> None:
    assert fingerprint(None, FUNCTION)[1] == "0"
    assert fingerprint(tmp_path / "absent", FUNCTION)[1] == "0"
    assert fingerprint(None, FUNCTION)[0] != fingerprint(None, replace(FUNCTION, handler="x.y"))[0]
