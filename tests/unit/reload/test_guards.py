"""What happens to files that are guarded is told, whichever way it comes about, and nothing else is."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator.instance.stamps import Guard
from emulator.reload import guards, inotify
from emulator.reload.guards import Guards

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has inotify")

Change = Callable[[Path], None]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Packages behind a link, as in a virtual environment; `other` has the same file by another name."""
    packages = tmp_path / "env/lib/site"
    (packages / "one/deep").mkdir(parents=True)
    (packages / "one/deep/code.py").write_text("1")
    (packages / "one/linked.py").write_text("1")
    (tmp_path / "other").mkdir()
    os.link(packages / "one/linked.py", tmp_path / "other/name.py")
    (tmp_path / "env/lib64").symlink_to("lib")
    (packages / "real.so").write_text("1")
    (packages / "lib.so").symlink_to("real.so")
    return tmp_path


def paths(site: Path) -> list[str]:
    packages = site / "env/lib64/site"
    names = ("one/deep/code.py", "one/linked.py", "one", "lib.so", "missing/later.py")
    return [str(packages / name) for name in names]


@pytest.fixture
def guard(site: Path) -> Iterator[Guard]:
    made = Guards(site).guarding(paths(site))
    assert made is not None
    yield made
    made.close()


def in_place(site: Path) -> None:
    (site / "env/lib/site/one/deep/code.py").write_text("2")


def replaced(site: Path) -> None:
    fresh = site / "env/lib/site/one/deep/fresh"
    fresh.write_text("2")
    fresh.rename(site / "env/lib/site/one/deep/code.py")


def by_another_name(site: Path) -> None:
    (site / "other/name.py").write_text("2")


def behind_a_link(site: Path) -> None:
    (site / "env/lib/site/real.so").write_text("2")


def more_names(site: Path) -> None:
    (site / "env/lib/site/one/more.py").write_text("")


def dated(site: Path) -> None:
    os.utime(site / "env/lib/site/one/deep/code.py")


@pytest.mark.parametrize("change", [in_place, replaced, by_another_name, behind_a_link, more_names, dated])
def test_a_change_is_told_once_and_the_guard_goes_on(site: Path, guard: Guard, change: Change) -> None:
    assert not guard.happened()
    for _ in range(2):
        change(site)
        assert guard.happened() and not guard.is_over
        assert not guard.happened()


def a_folder_above_is_exchanged(site: Path) -> None:
    (site / "env/lib/site/one").rename(site / "env/lib/site/old")


def one_far_above_is_exchanged(site: Path) -> None:
    (site / "env").rename(site / "old")


def the_link_is_exchanged(site: Path) -> None:
    (site / "env/lib64").unlink()
    (site / "env/lib64").symlink_to("../other")


def what_was_missing_comes(site: Path) -> None:
    (site / "env/lib/site/missing").mkdir()


def a_folder_goes(site: Path) -> None:
    (site / "env/lib/site/one/deep/code.py").unlink()
    (site / "env/lib/site/one/deep").rmdir()


@pytest.mark.parametrize(
    "change",
    [
        a_folder_above_is_exchanged,
        one_far_above_is_exchanged,
        the_link_is_exchanged,
        what_was_missing_comes,
        a_folder_goes,
    ],
)
def test_where_folders_are_others_than_before_the_guard_is_over(site: Path, guard: Guard, change: Change) -> None:
    change(site)
    assert guard.happened() and guard.is_over


def test_what_happens_beside_the_way_and_reading_are_nobodys_business(site: Path, guard: Guard) -> None:
    (site / "beside").mkdir()
    (site / "env/beside.log").write_text("more")
    (site / "other/more.py").write_text("")
    (site / "env/lib/site/one/deep/code.py").read_text()
    os.scandir(site / "env/lib/site/one").close()
    assert not guard.happened()


def test_links_that_lead_to_themselves_are_followed_once(site: Path) -> None:
    (site / "turn").symlink_to("turn")
    (site / "around").symlink_to("around/more")
    made = Guards(site).guarding([str(site / "turn/code.py"), str(site / "around/code.py"), str(site / "turn")])
    assert made is not None
    (site / "turn").unlink()
    (site / "turn").mkdir()
    assert made.happened() and made.is_over
    made.close()


def test_where_the_kernel_gives_no_more_watches_nobody_guards(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> int:
        raise inotify.NoWatches(errno.ENOSPC, "no more")

    monkeypatch.setattr(inotify.Inotify, "add", none)
    assert Guards(site).guarding(paths(site)) is None


def test_where_others_write_too_nobody_guards(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "shared_kind_here", lambda folder: "nfs")
    assert Guards(site).guarding(paths(site)) is None
