"""Files of editors on a disk: links, modes, what is broken, and what somebody else has just written."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from emulator.ide.files import change, write
from emulator.ide.problems import Unreadable
from emulator.ide.setup import FileEdit
from emulator.model.errors import UserError

EDIT = FileEdit(PurePosixPath(".zed/debug.json"), lambda text: text + "ours\n")


def put(folder: Path) -> None:
    write(change(folder, EDIT))


def test_a_new_file_in_a_new_folder(tmp_path: Path) -> None:
    put(tmp_path)
    assert (tmp_path / ".zed/debug.json").read_bytes() == b"ours\n"
    assert [path.name for path in (tmp_path / ".zed").iterdir()] == ["debug.json"]


def test_links_and_modes_are_kept(tmp_path: Path) -> None:
    real = tmp_path / "shared.json"
    real.write_bytes(b"\xef\xbb\xbfmine\r\n")
    real.chmod(0o640)
    (tmp_path / ".zed").mkdir()
    link = tmp_path / ".zed/debug.json"
    link.symlink_to("../shared.json")
    put(tmp_path)
    assert link.is_symlink() and real.read_bytes() == b"\xef\xbb\xbfmine\r\nours\n"
    assert real.stat().st_mode & 0o777 == 0o640


def test_what_changed_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    wanted = change(tmp_path, EDIT)
    (tmp_path / ".zed").mkdir()
    (tmp_path / ".zed/debug.json").write_text("theirs\n")
    with pytest.raises(UserError, match="changed meanwhile"):
        write(wanted)
    assert (tmp_path / ".zed/debug.json").read_text() == "theirs\n"


def test_a_broken_file_is_told_with_its_place(tmp_path: Path) -> None:
    def refuse(_: str) -> str:
        raise Unreadable(3, 7, "a comma is missing before this")

    with pytest.raises(UserError) as caught:
        change(tmp_path, FileEdit(EDIT.path, refuse))
    assert str(caught.value).startswith(f"{tmp_path}/.zed/debug.json:3:7: a comma is missing")


@pytest.mark.parametrize(
    ("data", "message"), [(b"a\nb\xff", ":2:2: is not UTF-8"), (b" " * (1024 * 1024 + 1), "is larger than 1024 KB")]
)
def test_what_is_no_text_is_left_alone(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / ".zed").mkdir()
    (tmp_path / ".zed/debug.json").write_bytes(data)
    with pytest.raises(UserError) as caught:
        put(tmp_path)
    assert message in str(caught.value) and (tmp_path / ".zed/debug.json").read_bytes() == data


def test_a_folder_in_the_files_place(tmp_path: Path) -> None:
    (tmp_path / ".zed/debug.json").mkdir(parents=True)
    with pytest.raises(UserError, match="is a folder"):
        put(tmp_path)


def test_a_diff_says_what_is_new(tmp_path: Path) -> None:
    assert change(tmp_path, EDIT).diff("debug.json") == ["--- /dev/null", "+++ debug.json", "@@ -0,0 +1 @@", "+ours"]
