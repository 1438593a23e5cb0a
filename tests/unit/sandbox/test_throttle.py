"""What a throttled file system decides: when it answers, and that nothing but its folder can be reached."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.sandbox.throttle import wire
from emulator.sandbox.throttle.bucket import AHEAD_BYTES, Bucket
from emulator.sandbox.throttle.files import Files
from emulator.sandbox.throttle.tree import Tree
from emulator.sandbox.throttle.wire import ROOT_ID, Op

MB = 1024 * 1024


# --- when ---


def test_a_transfer_takes_as_long_as_its_bytes_and_the_next_one_waits_for_it() -> None:
    bucket = Bucket(100.0)
    assert bucket.take(50, 10.0) == pytest.approx(10.5)
    assert bucket.take(50, 10.0) == pytest.approx(11.0)


def test_who_goes_on_in_a_file_loses_nothing_by_being_late() -> None:
    bucket = Bucket(100.0 * MB)
    now = done = 10.0
    for _ in range(200):
        done = bucket.take(MB, now, goes_on=True)
        now = done + 0.003  # it is woken late each time
    assert done == pytest.approx(12.0)


def test_a_disk_that_was_idle_has_saved_nothing_up() -> None:
    bucket = Bucket(100.0 * MB)
    bucket.take(MB, 10.0)
    assert bucket.take(100 * MB, 20.0) == pytest.approx(21.0)
    later = 21.0 + AHEAD_BYTES / bucket.rate + 0.01
    assert bucket.take(100 * MB, later, goes_on=True) == pytest.approx(later + 1.0)


# --- what ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shown" / "below").mkdir(parents=True)
    (tmp_path / "shown" / "hidden").mkdir()
    (tmp_path / "shown" / "file").write_bytes(b"content")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    return tmp_path / "shown"


@pytest.fixture
def files(folder: Path) -> Iterator[Files]:
    status = (folder / "hidden").stat()
    made = Files(Tree(str(folder), [(status.st_dev, status.st_ino)]), keep=False, seconds=1.0)
    yield made
    made.close()


def look_up(files: Files, parent: int, name: str) -> int:
    """The node of a name, 0 where there is none."""
    found = files.answer(Op.LOOKUP, parent, name.encode() + b"\0")
    assert found is not None
    return int(wire.ENTRY.unpack_from(found)[0])


def listed(files: Files, node: int) -> set[str]:
    opened = files.answer(Op.OPENDIR, node, bytes(8))
    assert opened is not None
    handle = wire.OPENED.unpack(opened)[0]
    found, at = set(), 0
    while part := files.answer(Op.READDIR, node, wire.IO.pack(handle, at, 64, 0, 0, 0, 0)):
        _, at, length, _ = wire.DIRENT.unpack_from(part)
        found.add(part[wire.DIRENT.size : wire.DIRENT.size + length].decode())
    return found


def read(files: Files, node: int, size: int = 100, offset: int = 0) -> bytes:
    opened = files.answer(Op.OPEN, node, wire.TWO.pack(os.O_RDONLY, 0))
    assert opened is not None
    data = files.answer(Op.READ, node, wire.IO.pack(wire.OPENED.unpack(opened)[0], offset, size, 0, 0, 0, 0))
    assert data is not None
    return data


def test_a_folder_is_listed_a_piece_at_a_time_and_what_is_hidden_is_not_there(files: Files) -> None:
    assert listed(files, ROOT_ID) == {".", "..", "below", "file"}
    assert look_up(files, ROOT_ID, "hidden") == 0
    assert read(files, look_up(files, ROOT_ID, "file")) == b"content"


def test_no_name_leads_outside(files: Files, folder: Path) -> None:
    assert look_up(files, ROOT_ID, "..") == 0
    below = look_up(files, ROOT_ID, "below")
    # Somebody puts a link in the place of a folder that the kernel knows already.
    (folder / "below").rename(folder / "moved")
    (folder / "below").symlink_to(folder.parent / "outside")
    assert look_up(files, below, "secret") == 0
    link = look_up(files, ROOT_ID, "below")
    with pytest.raises(NotADirectoryError):
        look_up(files, link, "secret")


def test_a_file_whose_place_a_link_takes_is_not_followed_and_not_changed(files: Files, folder: Path) -> None:
    node, secret = look_up(files, ROOT_ID, "file"), folder.parent / "outside" / "secret"
    secret.chmod(0o600)
    (folder / "file").unlink()
    (folder / "file").symlink_to(secret)
    with pytest.raises(OSError, match="Too many levels"):
        read(files, node)
    with pytest.raises(OSError):
        files.answer(Op.SETATTR, node, wire.SETATTR.pack(wire.SET_MODE, *(0,) * 10, 0o777, 0, 0, 0, 0))
    assert secret.stat().st_mode & 0o777 == 0o600


def test_a_moved_file_is_found_where_it_is_now(files: Files, folder: Path) -> None:
    node, below = look_up(files, ROOT_ID, "file"), look_up(files, ROOT_ID, "below")
    files.answer(Op.RENAME, ROOT_ID, struct.pack("<Q", below) + b"file\0other\0")
    assert (folder / "below" / "other").read_bytes() == b"content"
    assert read(files, node) == b"content"
    assert look_up(files, ROOT_ID, "file") == 0


def test_a_read_that_goes_on_does_not_wait_for_the_far_end(files: Files, folder: Path) -> None:
    (folder / "large").write_bytes(bytes(8 * MB))
    node = look_up(files, ROOT_ID, "large")
    assert files.waits
    opened = files.answer(Op.OPEN, node, wire.TWO.pack(os.O_RDONLY, 0))
    assert opened is not None and files.waits
    waited = []
    for offset in (0, 128 * 1024, 256 * 1024, 6 * MB):
        files.answer(Op.READ, node, wire.IO.pack(wire.OPENED.unpack(opened)[0], offset, 128 * 1024, 0, 0, 0, 0))
        waited.append(files.waits)
    assert waited == [True, False, False, True]


def test_what_it_does_not_know_is_refused_so_that_the_kernel_does_without(files: Files) -> None:
    with pytest.raises(OSError, match="not implemented"):
        files.answer(22, ROOT_ID, b"")
    with pytest.raises(OSError, match="Stale"):
        look_up(files, 999, "file")
