"""The page cache of single files: what is told of it is so, and what is put out is no longer there."""

from __future__ import annotations

import mmap
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.model.launch import Launch, Mount, UnixEndpoint
from emulator.sandbox.launch_files import files_of, shared_libraries
from emulator.sandbox.pagecache import evict, files_below, mapped_elsewhere, residency

SIZE = 4 * 1024 * 1024


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder of a file system that has a disk: of others, nothing can be put out."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True).stdout.strip()
    if kind in ("tmpfs", "ramfs"):
        pytest.skip(f"{tmp_path} is on {kind}")
    yield tmp_path


def resident(path: Path) -> int | None:
    (found,) = residency([str(path)])
    assert found.size == path.stat().st_size
    return found.resident


def test_a_file_that_was_written_is_there_and_is_gone_when_it_is_put_out(on_disk: Path) -> None:
    file, other = on_disk / "file", on_disk / "other"
    for path in (file, other):
        path.write_bytes(os.urandom(SIZE))
    content = file.read_bytes()
    assert resident(file) == SIZE
    evict([str(file)])
    assert resident(file) == 0
    assert resident(other) == SIZE, "nothing else is touched"
    assert file.read_bytes() == content
    assert resident(file) == SIZE


def test_what_somebody_has_mapped_stays_and_is_told(on_disk: Path) -> None:
    mapped, free = on_disk / "mapped", on_disk / "free"
    for path in (mapped, free):
        path.write_bytes(os.urandom(SIZE))
    with mapped.open("rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as view:
        assert sum(view[::4096]) >= 0  # each page is used
        evict([str(mapped), str(free)])
        assert (resident(mapped), resident(free)) == (SIZE, 0)
        assert mapped_elsewhere([str(mapped), str(free)]) == {str(mapped)}


def test_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("empty")
    paths = [str(tmp_path / name) for name in ("absent", "empty", "link")]
    evict(paths)
    assert [(it.path, it.size, it.resident) for it in residency(paths)] == [(paths[1], 0, 0)]


def test_the_files_of_a_launch_are_its_mounts_and_its_interpreter(tmp_path: Path) -> None:
    for name in ("code/index.py", "code/package/module.py", "code/.fclocal/secret", "ours/bootstrap.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "code/link.py").symlink_to("index.py")
    view = tmp_path / "view"
    launch = Launch(
        argv=("/bin/sh",),
        env={},
        cwd="/code",
        endpoint=UnixEndpoint("/run/w.sock"),
        mounts=(
            Mount((view,), "/code", origins=(tmp_path / "code",)),
            Mount((tmp_path / "ours",), "/var/fc/runtime/python3.10"),
        ),
    )
    files, places = files_of(launch, hidden=[tmp_path / "code/.fclocal"])
    code = str(tmp_path / "code")
    assert places[:2] == (code, "/bin/sh"), "where it really lies"
    assert {path for path in files if path.startswith(code)} == {f"{code}/index.py", f"{code}/package/module.py"}
    assert not any("bootstrap" in path for path in files), "FC has none of ours"
    assert {"/bin/sh", *shared_libraries(Path("/bin/sh"))} <= {*files}
    assert [*files_below([tmp_path / "code/index.py"])] == [f"{tmp_path}/code/index.py"]


def test_shared_libraries_are_those_that_the_linker_would_load() -> None:
    assert any("libc" in path for path in shared_libraries(Path("/bin/sh").resolve()))
    assert shared_libraries(Path("/etc/hostname")) == []
