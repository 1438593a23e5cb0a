"""A tree is watched as well as it can be, and what it costs is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from emulator.reload import observed, watcher
from emulator.reload.inotify import NoWatches
from emulator.reload.tree import Tree


class Watch:
    """A watcher, what it told, and what it saw."""

    def __init__(self, state_dir: Path) -> None:
        self.told: list[str] = []
        self.noticed = asyncio.Event()
        self.watcher = watcher.Watcher(state_dir, self.noticed.set, self.told.append)

    async def until(self, path: Path) -> None:
        """Returns when a change of the path is told; others may come before."""
        async with asyncio.timeout(30):
            while str(path) not in {change.path for change in self.watcher.take()}:
                self.noticed.clear()
                await self.noticed.wait()


@asynccontextmanager
async def watching(root: Path, state_dir: Path) -> AsyncIterator[Watch]:
    watch = Watch(state_dir)
    try:
        await asyncio.to_thread(watch.watcher.follow, [Tree(str(root))])
        watch.watcher.start()
        await asyncio.sleep(0)
        yield watch
    finally:
        await asyncio.to_thread(watch.watcher.close)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "code"
    (root / "node_modules/a").mkdir(parents=True)
    return root


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observed, "POLL_SECONDS", 0.02)


def test_the_loop_is_told_at_once(root: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with watching(root, tmp_path) as watch:
            (root / "a.py").write_text("1")
            assert watch.watcher.pending()
            await watch.until(root / "a.py")
            assert watch.told == []

    asyncio.run(main())


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", ["nfs4", ""])
def test_what_others_may_write_to_is_looked_through_too(
    root: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf(watcher.Probe):
        def tells(self, folder: str) -> bool:
            return bool(kind)

    monkeypatch.setattr(watcher, "shared_kind_here", lambda folder: kind)
    monkeypatch.setattr(watcher, "Probe", Deaf)

    async def main() -> None:
        async with watching(root, tmp_path) as watch:
            assert len(watch.told) == 1 and str(root) in watch.told[0]
            assert ("(nfs4)" in watch.told[0]) == bool(kind)

    asyncio.run(main())


@pytest.mark.usefixtures("quick")
def test_without_any_inotify_all_is_looked_through_also_what_comes_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> None:
        raise NoWatches(24, "Too many open files")

    monkeypatch.setattr(watcher, "Folders", none)

    async def main() -> None:
        async with watching(root, tmp_path) as watch:
            assert "no inotify instance is left" in watch.told[0]
            (root / "a.py").write_text("1")
            await watch.until(root / "a.py")
            (root / "a.py").unlink()
            (root / "node_modules/a").rmdir()
            (root / "node_modules").rmdir()
            root.rmdir()
            await watch.until(root)
            root.mkdir()
            await watch.until(root)
            (root / "b.py").write_text("1")
            await watch.until(root / "b.py")

    asyncio.run(main())


def test_trees_come_and_go(root: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with watching(root, tmp_path) as watch:
            other = tmp_path.resolve() / "other"
            other.mkdir()
            watch.watcher.follow([Tree(str(other))])
            (root / "a.py").write_text("1")
            (other / "b.py").write_text("1")
            assert str(other / "b.py") in {change.path for change in watch.watcher.take()}
            (root / "a.py").write_text("2")
            assert watch.watcher.take() == []

    asyncio.run(main())
