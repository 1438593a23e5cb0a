"""Which functions a path is about, and which paths are nobody's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulator.model.function import Function, FunctionName, Layer, Project
from emulator.reload.subjects import BuildSources, Pending, Subjects
from emulator.reload.tree import Change

HELLO, OTHER, PACKED = FunctionName("hello"), FunctionName("other"), FunctionName("packed")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "apart").mkdir()
    return tmp_path


def subjects(root: Path, **options: Any) -> Subjects:
    functions = (
        Function(HELLO, "python3.10", code=root / "code"),
        Function(OTHER, "python3.10", code=root / "apart", layers=(Layer("tools"),)),
        Function(PACKED, "custom", code=root / "target/app.jar"),
    )
    project = Project(root, root / "s.yaml", functions, sources=(root / "s.yaml", root / ".env"))
    return Subjects(project, root / ".fclocal/layers", **options)


def noted(it: Subjects, root: Path, name: str, *, whole: bool = False) -> tuple[Pending, Pending]:
    soon, late = Pending(), Pending()
    it.note([Change(str(root / name) if name else str(root), whole=whole)], soon, late)
    return soon, late


@pytest.mark.parametrize(
    ("name", "stale"),
    [
        ("code/index.py", {HELLO}),
        ("code/pkg/deep.py", {HELLO}),
        ("code", {HELLO}),
        ("apart/index.py", {OTHER}),
        ("target/app.jar", {PACKED}),
        ("target/other.jar", set()),
        ("codes/index.py", set()),
        ("README.md", set()),
        ("code/__pycache__/index.pyc", set()),
        ("code/index.py~", set()),
        ("code/.index.py.swp", set()),
        ("code/.git/HEAD", set()),
        ("code/.venv/lib/site.py", set()),
    ],
)
def test_a_path_is_about_the_functions_whose_code_it_is(root: Path, name: str, stale: set[FunctionName]) -> None:
    soon, late = noted(subjects(root), root, name)
    assert soon.stale == stale
    assert bool(soon) == bool(stale) and not late


def test_the_projects_own_files_are_about_all(root: Path) -> None:
    for name in ("s.yaml", ".env"):
        soon, _ = noted(subjects(root), root, name)
        assert soon.project and soon.sources == {root / name}


def test_an_install_goes_on_for_a_while_and_nobody_waits_for_it(root: Path) -> None:
    soon, late = noted(subjects(root), root, "code/node_modules/.package-lock.json")
    assert not soon
    assert late.code == {root / "code": {"node_modules"}} and not late.stale


def test_a_layer_is_about_those_that_have_layers(root: Path) -> None:
    soon, _ = noted(subjects(root), root, ".fclocal/layers/tools/python/a.py")
    assert soon.layers == {root / ".fclocal/layers/tools/python/a.py"} and soon.project


def test_ignore_files_count_from_their_change_on(root: Path) -> None:
    it = subjects(root)
    (root / "code/.fcignore").write_text("*.log\n")
    assert noted(it, root, "code/a.log")[0].stale == {HELLO}
    assert noted(it, root, "code/.fcignore")[0].stale == {HELLO}
    assert noted(it, root, "code/a.log")[0].stale == set()


def test_what_functions_write_themselves_is_told_by_git(root: Path) -> None:
    """Only where the walls can not keep it away from the code folder: elsewhere a product may be among it."""
    (root / "code/.gitignore").write_text("cache/\n*.db\n")
    for written, stale in ((False, {HELLO}), (True, set())):
        it = subjects(root, written=written)
        for name in ("code/cache/model", "code/my.db"):
            assert noted(it, root, name)[0].stale == stale
        assert noted(it, root, "code/index.py")[0].stale == {HELLO}


def test_sources_of_a_build_are_all_that_git_knows(root: Path) -> None:
    (root / ".gitignore").write_text("target/\n")
    made = {str(root / "generated.txt")}
    it = subjects(
        root, builds={"make": BuildSources(root, functions={PACKED})}, is_source=lambda command, path: path not in made
    )
    assert noted(it, root, "src/Main.java")[0].builds == {"make": {str(root / "src/Main.java")}}
    assert noted(it, root, "src/Main.java")[0].stale == {PACKED}
    for name in ("target/classes/Main.class", "generated.txt", ".git/index", "src/Main.java~", "s.yaml"):
        assert noted(it, root, name)[0].builds == {}, name
    assert noted(it, root, "target/app.jar")[0].archives == {root / "target/app.jar"}


def test_sources_of_an_image_are_all_that_dockerignore_leaves_in(root: Path) -> None:
    (root / ".gitignore").write_text("secret.txt\n")
    (root / ".dockerignore").write_text("docs\n*.md\n!README.md\n")
    it = subjects(root, builds={"docker": BuildSources(root, of_image=True, functions={PACKED})})
    for name in ("Dockerfile", "app/main.py", "secret.txt", "README.md", ".dockerignore"):
        soon = noted(it, root, name)[0]
        assert (soon.builds, soon.stale & {PACKED}) == ({"docker": {str(root / name)}}, {PACKED}), name
    for name in (
        "docs/index.html",
        "CHANGES.md",
        ".fclocal/endpoint.json",
        ".git/index",
        "s.yaml",
        "app/__pycache__/x.pyc",
    ):
        assert noted(it, root, name)[0].builds == {}, name
    (root / ".dockerignore").write_text("app\n")
    noted(it, root, ".dockerignore")
    assert noted(it, root, "app/main.py")[0].builds == {}
    assert noted(it, root, "CHANGES.md")[0].builds != {}


def test_every_place_is_watched_once(root: Path) -> None:
    trees = {tree.root: tree.deep for tree in subjects(root).trees()}
    assert trees == {
        str(root / "code"): True,
        str(root / "apart"): True,
        str(root / ".fclocal/layers"): True,
        str(root): False,
        str(root / "target"): False,
    }
    deep = {
        tree.root
        for tree in subjects(root, builds={"make": BuildSources(root, functions={PACKED})}).trees()
        if tree.deep
    }
    assert str(root) in deep
