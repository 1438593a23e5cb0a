"""Breakpoints before any instance runs: lines that have code, our own ids, and what instances make of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.debug.breakpoints import Breakpoints
from emulator.debug.ids import Ids
from emulator.debug.lines import verify
from emulator.debug.paths import as_mounted, is_seen, path_mappings
from emulator.model.launch import Access, Launch, Mount, UnixEndpoint

SOURCE = '''"""Docs."""

import os

def handler(event):

    # a comment
    return [
        os.getpid(),
    ]
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "index.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize(("line", "moved"), [(1, 1), (2, 3), (3, 3), (4, 5), (6, 8), (7, 8), (9, 9)])
def test_a_breakpoint_moves_to_the_next_line_with_code(file: Path, line: int, moved: int) -> None:
    (found,) = verify(str(file), [line])
    assert (found.verified, found.line) == (True, moved)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [(SOURCE, 99, "no code"), ("def (:\n", 1, "syntax error in line 1"), ("\0", 1, ""), (None, 1, "does not exist")],
)
def test_what_can_not_stop_says_why(tmp_path: Path, text: str | None, line: int, message: str) -> None:
    path = tmp_path / "odd.py"
    if text is not None:
        path.write_text(text)
    (found,) = verify(str(path), [line])
    assert not found.verified and found.line == line and message in found.message and found.message


def test_only_an_instance_can_tell_about_other_files() -> None:
    assert not verify("/x/page.html", [3])[0].verified


def test_ids_are_ours_and_never_used_again(file: Path) -> None:
    store = Breakpoints()
    asked = {"source": {"path": str(file)}, "breakpoints": [{"line": 3}, {"line": 8}]}
    first = store.set_file(str(file), asked)
    second = store.set_file(str(file), asked)
    assert len({*first.ids, *second.ids}) == 4
    store.set_file(str(file), {**asked, "breakpoints": []})
    assert store.files == {}


def test_one_instance_that_can_stop_is_enough(file: Path) -> None:
    entry = Breakpoints().set_file(str(file), {"source": {"path": str(file)}, "breakpoints": [{"line": 99}]})
    assert not entry.shown[0]["verified"]
    assert entry.note([{"id": 7, "verified": True, "line": 99}]) == {7: entry.ids[0]}
    assert entry.note([{"id": 9, "verified": False}, "nonsense"]) == {9: entry.ids[0]}
    assert entry.shown[0]["verified"]


def test_each_owner_has_ids_of_its_own() -> None:
    ids: Ids[str] = Ids()
    a, b = ids.outer("a", 1), ids.outer("b", 1)
    assert a != b and ids.outer("a", 1) == a
    assert (ids.inner(a), ids.inner(b), ids.inner(99), ids.inner("x")) == (("a", 1), ("b", 1), None, None)
    ids.drop("a")
    assert ids.inner(a) is None and ids.outer("a", 1) not in (a, b)
    ids.forget("b", 1)
    assert ids.inner(b) is None


def launch(*mounts: Mount) -> Launch:
    return Launch(("x",), {}, "/code", UnixEndpoint("/run/fclocal/w.sock"), mounts=mounts)


def test_paths_of_the_host_and_of_the_instance(tmp_path: Path) -> None:
    code, link = tmp_path / "code", tmp_path / "link"
    code.mkdir()
    (code / "index.py").touch()
    link.symlink_to(code)
    walled = launch(
        Mount((code,), "/code", Access.OVERLAY),
        Mount((tmp_path / "x.sock",), "/run/fclocal/debug.sock"),
        Mount((Path("/opt/py"),), "/opt/py"),
    )
    assert path_mappings(walled) == [{"localRoot": f"{code}/", "remoteRoot": "/code/"}]
    assert as_mounted(str(link / "index.py"), walled) == str(code / "index.py")
    assert as_mounted(str(code / "index.py"), walled) == str(code / "index.py")
    assert is_seen(str(code / "index.py"), walled) and is_seen("/usr/lib/x.py", walled) and is_seen("/opt/py/a", walled)
    assert not is_seen("/home/somebody/other.py", walled)
    assert is_seen("/home/somebody/other.py", launch(Mount((code,), str(code))))
