"""What the kernel tells of trees of folders, whatever happens to them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.reload import inotify
from emulator.reload.folders import Folders
from emulator.reload.tree import Tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "code"
    (root / "pkg").mkdir(parents=True)
    return root


@pytest.fixture
def folders(root: Path) -> Iterator[Folders]:
    try:
        folders = Folders()
    except OSError as error:
        pytest.skip(f"no inotify here: {error}")
    folders.add(Tree(str(root)))
    yield folders
    folders.close()


def told(folders: Folders, root: Path) -> set[str]:
    return {os.path.relpath(change.path, root) for change in folders.changes()}


def test_nothing_happened(folders: Folders, root: Path) -> None:
    assert not folders.pending()
    (root / "pkg").stat()
    assert [*(root / "pkg").iterdir()] == []
    assert not folders.pending() and folders.changes() == []


def test_a_save_is_there_before_the_program_that_saves_goes_on(folders: Folders, root: Path) -> None:
    for number in range(100):
        (root / "a.py").write_text(str(number))
        assert folders.pending()
        assert told(folders, root) == {"a.py"}
        assert not folders.pending()


def test_reading_a_file_is_no_change(folders: Folders, root: Path) -> None:
    (root / "a.py").write_text("x")
    folders.changes()
    (root / "a.py").read_text()
    shutil.copy(root / "a.py", root.parent / "elsewhere")
    assert told(folders, root) <= {"../elsewhere"}


def test_a_file_that_is_still_open_is_told_as_such(folders: Folders, root: Path) -> None:
    with (root / "a.py").open("w") as file:
        file.write("x = ")
        file.flush()
        assert [change.writing for change in folders.changes()][-1]
    assert not [change.writing for change in folders.changes()][-1]


def test_folders_that_come_are_watched_with_all_that_is_in_them(folders: Folders, root: Path) -> None:
    (root / "new/deep").mkdir(parents=True)
    (root / "new/deep/a.py").write_text("1")
    assert "new" in told(folders, root)
    (root / "new/deep/a.py").write_text("2")
    assert told(folders, root) == {"new/deep/a.py"}


def test_a_folder_that_moves_is_known_by_its_new_name(folders: Folders, root: Path) -> None:
    (root / "pkg").rename(root / "lib")
    assert told(folders, root) == {"pkg", "lib"}
    (root / "lib/a.py").write_text("1")
    assert told(folders, root) == {"lib/a.py"}
    (root / "lib").rename(root.parent / "away")
    folders.changes()
    (root.parent / "away/a.py").write_text("2")
    assert folders.changes() == []


@pytest.mark.parametrize("times", [1, 3])
def test_the_root_may_go_and_come_again(folders: Folders, root: Path, times: int) -> None:
    for _ in range(times):
        shutil.rmtree(root)
        assert "." in told(folders, root)
        root.mkdir()
        assert "." in told(folders, root)
        (root / "a.py").write_text("1")
        assert told(folders, root) == {"a.py"}


def test_the_root_may_be_swapped_for_another(folders: Folders, root: Path) -> None:
    (root.parent / "next").mkdir()
    root.rename(root.parent / "last")
    (root.parent / "next").rename(root)
    assert "." in told(folders, root)
    (root / "a.py").write_text("1")
    (root.parent / "last/a.py").write_text("1")
    assert told(folders, root) == {"a.py"}


def test_a_root_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "build/out"
    folders = Folders()
    folders.add(Tree(str(root)))
    root.mkdir(parents=True)
    assert "." in told(folders, root)
    (root / "a").write_text("")
    assert told(folders, root) == {"a"}
    folders.close()


def test_what_is_skipped_is_not_looked_into(folders: Folders, root: Path) -> None:
    for name in ("node_modules/a", ".git/objects", "__pycache__", ".venv/lib"):
        (root / name).mkdir(parents=True)
    folders.changes()
    before = folders.count
    for name in ("node_modules/a/b", ".git/objects/b", "__pycache__/b", ".venv/lib/b"):
        (root / name).write_text("")
    assert folders.changes() == []
    (root / "node_modules/.package-lock.json").write_text("{}")
    assert told(folders, root) == {"node_modules/.package-lock.json"}
    assert before == 4  # the tree's two folders, node_modules, and the one above


def test_a_flat_tree_and_a_deep_one_may_lie_in_each_other(folders: Folders, root: Path) -> None:
    folders.add(Tree(str(root.parent), deep=False))
    (root.parent / "s.yaml").write_text("")
    (root / "pkg/a.py").write_text("")
    assert told(folders, root) == {"../s.yaml", "pkg/a.py"}
    folders.remove(str(root))
    (root.parent / "s.yaml").write_text("1")
    (root / "pkg/a.py").write_text("1")
    assert told(folders, root) == {"../s.yaml"}


def test_links_are_not_followed(folders: Folders, root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "link").symlink_to(outside)
    folders.changes()
    (outside / "a").write_text("")
    assert "link/a" not in told(folders, root)


def test_trees_beyond_the_kernels_limit_are_given_up_whole(
    folders: Folders, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: str, wanted: int) -> int:
        raise inotify.NoWatches(28, "No space left on device")

    monkeypatch.setattr(folders._inotify, "add", full)
    (root / "new").mkdir()
    folders.changes()
    assert [tree.root for tree in folders.given_up] == [str(root)]
    assert folders.count == 0


def test_what_is_written_beside_the_root_wakes_nobody(folders: Folders, root: Path) -> None:
    beside = root.parent / "log"
    beside.touch()
    folders.changes()
    beside.write_text("1")
    assert not folders.pending()


def test_who_writes_faster_than_it_is_read_does_not_hold_the_reader(folders: Folders, root: Path) -> None:
    (root / "a.py").write_text("0")
    read = folders._inotify.read()
    for _ in read:
        # Another name each time: the kernel joins events that are alike.
        for name in ("a.py", "b.py"):
            (root / name).write_text("1")
    assert folders.pending()


def test_a_log_that_grows_beside_the_project_file_wakes_nobody(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    folders = Folders()
    folders.add(Tree(str(root), deep=False))
    with (root / "log").open("w") as log:
        folders.changes()
        for line in ("1", "2"):
            log.write(line)
            log.flush()
            assert not folders.pending()
    assert told(folders, root) == {"log"}
    (root / "s.yaml").write_text("1")
    assert told(folders, root) == {"s.yaml"}
    folders.close()
