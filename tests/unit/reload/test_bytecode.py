"""Byte code that Python would believe is removed where it may be that of an earlier save; other caches stay."""

from __future__ import annotations

import os
import py_compile
from pathlib import Path

import pytest

from emulator.reload.bytecode import remove_stale, sweep


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "helper.py"
    source.write_text("x = 1\n")
    return source


def compiled(source: Path, **options: object) -> Path:
    return Path(py_compile.compile(str(source), doraise=True, **options))


def saved_again(source: Path) -> None:
    """Within the same second, and as long as before."""
    seen = source.stat()
    source.write_text("x = 2\n")
    os.utime(source, (seen.st_atime, seen.st_mtime))


def test_a_cache_that_would_be_believed_goes(source: Path) -> None:
    cache = compiled(source)
    optimized = compiled(source, optimize=2)
    saved_again(source)
    remove_stale(source.parent, ["helper.py", "absent.py", "data.txt"])
    assert not cache.exists() and not optimized.exists()


def test_one_that_python_itself_finds_out_stays(source: Path) -> None:
    cache = compiled(source)
    os.utime(source, (1, 1_000_000_000))
    remove_stale(source.parent, ["helper.py"])
    assert cache.exists()


def test_one_that_asks_for_no_check_goes(source: Path) -> None:
    cache = compiled(source, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    remove_stale(source.parent, ["helper.py"])
    assert not cache.exists()


def test_what_was_compiled_long_after_its_source_is_not_doubted(tmp_path: Path, source: Path) -> None:
    """Nobody saw the saves of what lay there at the start: only what was compiled at once is in doubt."""
    cache = compiled(source)
    sweep(tmp_path)
    assert not cache.exists()
    packed = tmp_path / "3rd/lib.py"
    packed.parent.mkdir()
    packed.write_text("")
    (tmp_path / "3rd/lib-1.0.dist-info").mkdir()
    installed = compiled(packed)
    sweep(tmp_path)
    assert installed.exists()


def test_a_cache_of_python_2_lies_beside_its_source(source: Path) -> None:
    cache = source.with_suffix(".pyc")
    cache.write_bytes(b"\x03\xf3\r\n" + int(source.stat().st_mtime).to_bytes(4, "little") + b"\0" * 20)
    remove_stale(source.parent, ["helper.py"])
    assert not cache.exists()


def test_what_is_no_cache_is_left_alone(source: Path) -> None:
    short = source.parent / "__pycache__/helper.short.pyc"
    short.parent.mkdir()
    short.write_bytes(b"abc")
    remove_stale(source.parent, ["helper.py"])
    assert short.exists()
