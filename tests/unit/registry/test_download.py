"""The size of what FC would send: of an archive its own, of a folder an estimate that is near a real zip file's."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

import pytest

from emulator.registry.download import download_bytes


def zipped(folder: Path, into: Path) -> int:
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.rglob("*"):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return into.stat().st_size


def test_a_folder_is_as_large_as_its_zip_file_within_a_tenth(tmp_path: Path) -> None:
    code = tmp_path / "code"
    (code / "package").mkdir(parents=True)
    words = [f"word{number}" for number in range(2000)]
    luck = random.Random(1)
    for number in range(40):
        (code / "package" / f"module{number}.py").write_text(" ".join(luck.choices(words, k=500)))
    (code / "model.bin").write_bytes(luck.randbytes(3_000_000))
    (code / "table.csv").write_text("\n".join(",".join(luck.choices(words, k=9)) for _ in range(30_000)))
    assert download_bytes(code) == pytest.approx(zipped(code, tmp_path / "code.zip"), rel=0.1)


def test_an_archive_is_as_large_as_it_is_and_what_is_ignored_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "code.zip").write_bytes(b"x" * 1234)
    assert download_bytes(tmp_path / "code.zip") == 1234
    code = tmp_path / "code"
    code.mkdir()
    (code / ".fcignore").write_text("*.bin\n")
    (code / "large.bin").write_bytes(random.Random(2).randbytes(100_000))
    assert download_bytes(code) < 1000
