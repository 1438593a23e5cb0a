"""A package that is kept up to date by what changed is the one that a look at everything gives."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.registry.package import Package


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pkg/deep").mkdir(parents=True)
    (tmp_path / "index.py").write_text("x = 1\n")
    (tmp_path / "pkg/deep/a.py").write_text("a\n")
    return tmp_path


def fresh(root: Path) -> str:
    package = Package(root)
    package.scan()
    return package.digest


def looked(root: Path) -> Package:
    package = Package(root)
    assert package.scan() == {"index.py", "pkg/deep/a.py"}
    return package


def test_a_save_within_the_same_tick_and_of_the_same_size_is_seen(root: Path) -> None:
    package = looked(root)
    seen = (root / "index.py").stat()
    (root / "index.py").write_text("x = 2\n")
    os.utime(root / "index.py", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert package.look(["index.py"]) == {"index.py"}
    assert package.look(["index.py"]) == set()
    (root / "index.py").write_text("x = 3\n")
    assert package.scan() == {"index.py"}


def test_what_did_not_change_is_no_change(root: Path) -> None:
    package = looked(root)
    before = package.digest
    os.utime(root / "index.py", (1, 1))
    (root / "pkg/empty").mkdir()
    assert package.look(["index.py", "pkg/empty", "absent", "pkg/absent/a", "pkg"]) == set()
    assert package.scan() == set()
    assert package.digest == before == fresh(root)


def test_modes_names_and_links_count(root: Path) -> None:
    package = looked(root)
    (root / "index.py").chmod(0o755)
    assert package.look(["index.py"]) == {"index.py"}
    (root / "index.py").rename(root / "main.py")
    assert package.look(["index.py", "main.py"]) == {"index.py", "main.py"}
    (root / "link").symlink_to("pkg")
    assert package.look(["link"]) == {"link"}
    assert package.digest == fresh(root)


def test_folders_come_go_and_become_files(root: Path) -> None:
    package = looked(root)
    shutil.move(root / "pkg", root / "lib")
    assert package.look(["pkg", "lib"]) == {"pkg/deep/a.py", "lib/deep/a.py"}
    shutil.rmtree(root / "lib/deep")
    (root / "lib/deep").write_text("a file now")
    assert package.look(["lib/deep"]) == {"lib/deep/a.py", "lib/deep"}
    assert package.digest == fresh(root)


def test_the_rules_of_what_is_ignored_may_change(root: Path) -> None:
    package = looked(root)
    (root / ".fcignore").write_text("deep/\n")
    assert package.look([".fcignore"]) == {".fcignore", "pkg/deep/a.py"}
    (root / "pkg/deep/b.py").write_text("")
    assert package.look(["pkg/deep/b.py"]) == set()
    (root / ".fcignore").unlink()
    assert package.look([".fcignore"]) == {".fcignore", "pkg/deep/a.py", "pkg/deep/b.py"}


def test_the_folder_itself_may_be_gone(root: Path) -> None:
    package = looked(root)
    before = package.digest
    shutil.move(root, root.with_name("away"))
    assert package.look([""]) == {"index.py", "pkg/deep/a.py"}
    shutil.move(root.with_name("away"), root)
    assert package.look([""]) == {"index.py", "pkg/deep/a.py"}
    assert package.digest == before


NAMES = st.sampled_from(["a", "b", "a/a", "a/b", "b/a/a", "__pycache__/a", "a.pyc", "c~", "node_modules/a/a"])
STEPS = st.lists(st.tuples(NAMES, st.sampled_from(["", "one", "two", "gone", "folder gone", "link"])), max_size=12)


def act(root: Path, name: str, what: str) -> None:
    path = root / name
    if what == "folder gone":
        shutil.rmtree(root / name.split("/")[0], ignore_errors=True)
        return
    if path.is_dir() and not path.is_symlink():
        return
    for above in path.relative_to(root).parents:
        if (root / above).is_file() or (root / above).is_symlink():
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if what == "link":
        path.symlink_to("elsewhere")
    elif what != "gone":
        path.write_text(what)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_after_any_changes_it_is_what_a_look_at_everything_gives(steps: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        package = Package(root)
        package.scan()
        for name, what in steps:
            act(root, name, what)
            package.look([name, name.split("/")[0]] if what == "folder gone" else [name])
            assert package.digest == fresh(root), (name, what)
        assert package.scan() == set()
