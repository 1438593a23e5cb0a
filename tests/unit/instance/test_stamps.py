"""Files that are to stay as they are: whoever asks is told at once where they are guarded, and never wrongly."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from emulator.instance import stamps
from emulator.instance.stamps import FEW_FILES, Guard, Unchanged
from emulator.reload.guards import Guards


def run(body) -> None:
    asyncio.run(body())


def owned(work):
    return asyncio.get_running_loop().create_task(work)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for number in range(FEW_FILES + 1):
        (tmp_path / f"{number}.py").write_text("1")
    return [str(path) for path in sorted(tmp_path.iterdir())]


class Looks:
    """Counts looks at all of the files, and holds one up where it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.free = threading.Event()
        self.free.set()
        real = stamps.stamps

        def counted(paths: Sequence[str]):
            self.count += 1
            self.free.wait()
            return real(paths)

        monkeypatch.setattr(stamps, "stamps", counted)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(monkeypatch)


def test_guarded_files_are_looked_at_when_something_happened(files: list[str], looks: Looks, tmp_path: Path) -> None:
    async def body() -> None:
        kept = Unchanged(files, Guards(tmp_path.parent).guarding, owned)
        assert await kept.holds()
        before = looks.count
        assert await kept.holds() and await kept.holds()
        assert looks.count == before
        (tmp_path / "beside.txt").write_text("not one of them")
        assert await kept.holds()
        assert looks.count == before + 1
        assert await kept.holds()
        assert looks.count == before + 1
        Path(files[3]).write_text("2")
        assert not await kept.holds()
        assert not await kept.holds(), "and it stays so"
        kept.close()

    run(body)


def test_a_change_before_they_are_guarded_is_found(files: list[str], tmp_path: Path) -> None:
    async def body() -> None:
        kept = Unchanged(files, Guards(tmp_path.parent).guarding, owned)
        Path(files[3]).write_text("2")
        kept.guard()
        assert not await kept.holds()
        assert not await kept.holds()
        kept.close()

    run(body)


def test_whoever_comes_while_it_is_in_doubt_waits_for_a_look(files: list[str], looks: Looks, tmp_path: Path) -> None:
    async def body() -> None:
        kept = Unchanged(files, Guards(tmp_path.parent).guarding, owned)
        assert await kept.holds()
        Path(files[3]).write_text("2")
        looks.free.clear()
        first = owned(kept.holds())
        await asyncio.sleep(0)
        second = owned(kept.holds())
        await asyncio.sleep(0)
        assert not second.done(), "that there was news is known already, but not what"
        looks.free.set()
        assert not await first and not await second
        kept.close()

    run(body)


def test_folders_that_are_exchanged_are_guarded_anew(files: list[str], tmp_path: Path) -> None:
    packages, file = tmp_path / "packages", tmp_path / "packages/late.py"

    async def body() -> None:
        kept = Unchanged([*files, str(file)], Guards(tmp_path.parent).guarding, owned)
        assert await kept.holds()
        packages.mkdir()
        assert await kept.holds(), "it is missing as it was"
        file.write_text("")
        assert not await kept.holds()
        kept.close()

    run(body)


def test_without_a_guard_each_question_is_a_look(files: list[str], looks: Looks) -> None:
    asked = []

    async def body() -> None:
        kept = Unchanged(files, asked.append, owned)
        before = looks.count
        assert await kept.holds() and await kept.holds()
        assert looks.count == before + 2
        assert len(asked) == 1, "what can not be had is not tried again"
        Path(files[-1]).unlink()
        assert not await kept.holds()
        kept.close()

    run(body)


def test_few_files_are_looked_at_at_once(files: list[str]) -> None:
    async def body() -> None:
        def never(paths: Sequence[str]) -> Guard | None:
            raise AssertionError("it is not worth it")

        kept = Unchanged(files[:3], never, owned)
        kept.guard()
        assert await kept.holds()
        Path(files[0]).write_text("2")
        assert not await kept.holds()
        kept.close()

    run(body)


def test_a_guard_that_comes_after_the_end_is_closed(files: list[str], looks: Looks, tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    async def body() -> None:
        kept = Unchanged(files, Guards(tmp_path.parent).guarding, owned)
        before = descriptors()
        kept.guard()
        kept.close()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
        assert descriptors() == before

    run(body)
