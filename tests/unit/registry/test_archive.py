"""Archives of code and layers come out as FC would lay them."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from emulator.model.errors import ConfigError
from emulator.registry.archive import is_archive, stage, unpack


def make_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content, mode in (
            ("bootstrap", b"#!/bin/sh\n", 0o100755),
            ("lib/", b"", 0o040755),
            ("lib/data.txt", b"data", 0o100640),
            ("sub\\windows.txt", b"w", 0),
            ("setuid", b"s", 0o104755),
            ("lib/link", b"../bootstrap", 0o120777),
            ("here", b"lib", 0o120777),
        ):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16 or 0x20  # DOS archive bit, as Windows writes
            out.writestr(info, content)
    return path


def make_tar(path: Path, gzipped: bool) -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for name, kind, content, link, mode in (
            ("lib", tarfile.DIRTYPE, b"", "", 0o755),
            ("lib/data.txt", tarfile.REGTYPE, b"data", "", 0o640),
            ("./bootstrap", tarfile.REGTYPE, b"#!/bin/sh\n", "", 0o755),
            ("lib/link", tarfile.SYMTYPE, b"", "../bootstrap", 0o777),
            ("copy", tarfile.LNKTYPE, b"", "lib/data.txt", 0o640),
            ("long/" + "n" * 200, tarfile.REGTYPE, b"long", "", 0o644),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname, info.mode = kind, len(content), link, mode
            out.addfile(info, io.BytesIO(content))
    path.write_bytes(gzip.compress(buffer.getvalue()) if gzipped else buffer.getvalue())
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_zip_keeps_the_x_bit_and_links(tmp_path: Path) -> None:
    unpack(make_zip(tmp_path / "code.zip"), tmp_path / "out")
    out = tmp_path / "out"
    assert mode(out / "bootstrap") == 0o755
    assert mode(out / "lib/data.txt") == 0o640
    assert mode(out / "setuid") == 0o755, "no setuid"
    assert mode(out / "sub/windows.txt") == 0o644, "archives without modes are readable"
    assert os.readlink(out / "lib/link") == "../bootstrap"
    assert (out / "here/data.txt").read_bytes() == b"data"


@pytest.mark.parametrize("gzipped", [False, True])
def test_a_tar_comes_out_alike(tmp_path: Path, gzipped: bool) -> None:
    unpack(make_tar(tmp_path / "layer.tar.gz", gzipped), tmp_path / "out")
    out = tmp_path / "out"
    assert mode(out / "bootstrap") == 0o755
    assert (out / "lib/link").read_bytes() == b"#!/bin/sh\n"
    assert (out / "copy").read_bytes() == b"data"
    assert (out / "copy").stat().st_ino != (out / "lib/data.txt").stat().st_ino
    assert (out / "long" / ("n" * 200)).read_bytes() == b"long"


def test_an_archive_can_be_laid_over_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "kept").write_text("k")
    unpack(make_zip(tmp_path / "code.zip"), tmp_path / "out")
    assert (tmp_path / "out" / "kept").exists()
    assert (tmp_path / "out" / "bootstrap").exists()


def test_nothing_of_a_bad_archive_is_left(tmp_path: Path) -> None:
    packed = make_zip(tmp_path / "code.zip")
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(ConfigError, match=r"code\.zip"):
        unpack(packed, tmp_path / "deep" / "out")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["code.zip"]


def test_a_missing_archive_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        unpack(tmp_path / "absent.zip", tmp_path / "out")


def test_a_jar_is_unpacked_unless_the_start_command_runs_it(tmp_path: Path) -> None:
    jar = make_zip(tmp_path / "app.jar")
    stage(jar, tmp_path / "java11")
    assert (tmp_path / "java11" / "bootstrap").exists()
    stage(jar, tmp_path / "custom", "java -jar app.jar")
    assert [p.name for p in (tmp_path / "custom").iterdir()] == ["app.jar"]


def test_a_single_file_is_code_too(tmp_path: Path) -> None:
    (tmp_path / "bootstrap").write_text("#!/bin/sh\n")
    (tmp_path / "bootstrap").chmod(0o755)
    stage(tmp_path / "bootstrap", tmp_path / "out")
    assert mode(tmp_path / "out" / "bootstrap") == 0o755


@pytest.mark.parametrize("name", ["code.zip", "layer.tar.gz", "app.jar"])
def test_a_name_that_promises_an_archive_is_held_to_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("an error page, say")
    with pytest.raises(ConfigError, match="is neither a zip nor a tar archive"):
        stage(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_an_archive(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x" * 1000)
    assert is_archive(make_zip(tmp_path / "a"))
    assert is_archive(make_tar(tmp_path / "b", True))
    assert not is_archive(tmp_path / "text")
    assert not is_archive(tmp_path)
    assert not is_archive(tmp_path / "absent")
