"""Folders at another speed, as the kernel shows them: the same files, not before their time, gone with their owner."""

from __future__ import annotations

import asyncio
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from emulator.model.errors import SandboxError
from emulator.model.speed import Speed
from emulator.sandbox.remains import kill_marked
from emulator.sandbox.throttling import Throttle, View, open_throttle
from tests.support.command import ROOT, eventually

pytestmark = pytest.mark.isolation
MB = 1024 * 1024
# A container without rights, and a machine without FUSE.
NOT_HERE = ("Operation not permitted", "/dev/fuse can not be opened", "fusermount3 is not installed")
FAST = Speed(4096.0 * MB)

# An owner that is killed while it shows something, and somebody reads it.
OWNER = """
import asyncio, os, sys, threading
from pathlib import Path
from emulator.model.speed import Speed
from emulator.sandbox.throttling import View, open_throttle

async def main(state):
    throttle = open_throttle(state)
    view = View(state.parent / "shared", throttle.place("a"), Speed(1024 * 1024.0), "b", True, True)
    await throttle.show([view], others=False)
    reading = threading.Thread(target=(view.target / "large").read_bytes, daemon=True)
    reading.start()
    print(throttle.place("a"), flush=True)
    await asyncio.sleep(1000)

asyncio.run(main(Path(sys.argv[1])))
"""


@asynccontextmanager
async def throttle_in(project: Path) -> AsyncIterator[Throttle]:
    (project / ".fclocal").mkdir(exist_ok=True)
    throttle = open_throttle(project / ".fclocal")
    try:
        yield throttle
    except SandboxError as absent:
        if any(reason in str(absent) for reason in NOT_HERE):
            pytest.skip(str(absent))
        raise
    finally:
        await throttle.aclose()


def shown(project: Path, use: Callable[..., object], *views: Callable[[Throttle], View]) -> None:
    """Show these, and `use` the folders in which they are seen, beside the loop."""

    async def run() -> None:
        async with throttle_in(project) as throttle:
            made = [view(throttle) for view in views]
            await throttle.show(made, others=False)
            await asyncio.to_thread(use, *(view.target for view in made))

    asyncio.run(run())
    assert mounts_below("/fclocal-", project) == []


def share(source: Path, speed: Speed = FAST, *, write: bool = True) -> Callable[[Throttle], View]:
    return lambda throttle: View(source, throttle.place(source.name), speed, "share", True, write)


def disk(source: Path, speed: Speed = FAST) -> Callable[[Throttle], View]:
    return lambda throttle: View(source, throttle.place(f"{source.name}.disk"), speed, "disk", False, False)


def mounts_below(word: str, project: Path) -> Sequence[str]:
    """What this run has left mounted."""
    runs = [path.name for path in (project / ".fclocal" / "run").iterdir()]
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if word in line and any(run in line for run in runs)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "large").write_bytes(os.urandom(8 * MB))
    (folder / "large").chmod(0o640)
    return folder


def test_the_bytes_are_the_same_by_reading_and_by_mapping_and_programs_run(source: Path, tmp_path: Path) -> None:
    (source / "program").write_text("#!/bin/sh\necho it runs\n")
    (source / "program").chmod(0o755)
    (source / "link").symlink_to("large")
    content = (source / "large").read_bytes()

    def use(*places: Path) -> None:
        for place in places:
            assert (place / "link").read_bytes() == content
            with (place / "large").open("rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as view:
                assert view[:] == content
            assert subprocess.check_output([place / "program"], text=True) == "it runs\n"
            here, there = (place / "large").stat(), (source / "large").stat()
            assert (here.st_mode, here.st_size, here.st_mtime_ns) == (there.st_mode, there.st_size, there.st_mtime_ns)

    shown(tmp_path, use, share(source), disk(source))


def test_a_share_is_changed_through_it_and_others_see_that(source: Path, tmp_path: Path) -> None:
    def use(place: Path) -> None:
        (place / "folder").mkdir()
        (place / "folder" / "new").write_text("first")
        with (place / "folder" / "new").open("a") as stream:
            stream.write(", second")
        (place / "folder" / "new").rename(place / "moved")
        os.link(place / "moved", place / "linked")
        os.truncate(place / "linked", 5)
        (place / "moved").chmod(0o600)
        os.utime(place / "moved", (1, 2))
        (place / "folder").rmdir()
        with (place / "gone").open("w+") as stream:
            (place / "gone").unlink()
            stream.write("still there")
            stream.flush()
            assert os.fstat(stream.fileno()).st_size == 11
        assert {path.name for path in place.iterdir()} == {"large", "moved", "linked"}

    shown(tmp_path, use, share(source))
    found = (source / "moved").stat()
    assert (source / "linked").read_text() == "first"
    assert (found.st_mode & 0o777, found.st_mtime, found.st_nlink) == (0o600, 2, 2)


def test_what_others_write_is_seen_when_it_is_opened_again(source: Path, tmp_path: Path) -> None:
    def use(place: Path) -> None:
        assert (place / "large").stat().st_size == 8 * MB
        (source / "large").write_bytes(b"other")
        assert (place / "large").read_bytes()[:5] == b"other"

    shown(tmp_path, use, share(source))


def test_a_disk_is_read_only_and_the_emulators_own_files_are_not_on_it(tmp_path: Path, source: Path) -> None:
    def use(place: Path) -> None:
        assert [path.name for path in place.iterdir()] == ["shared"]
        assert not (place / ".fclocal").exists()
        with pytest.raises(OSError, match="Read-only"):
            (place / "new").touch()

    shown(tmp_path, use, disk(tmp_path))


def test_nothing_comes_before_its_time(source: Path, tmp_path: Path) -> None:
    """A busy machine makes it later; nothing may make it sooner, as often as it is read."""

    def use(place: Path, slow_disk: Path) -> None:
        for _ in range(2):
            began = time.monotonic()
            (place / "large").read_bytes()
            assert time.monotonic() - began > 0.9 * 8 / 20 + 0.03
        began = time.monotonic()
        (slow_disk / "large").read_bytes()
        assert time.monotonic() - began > 0.9 * 8 / 20

    shown(tmp_path, use, share(source, Speed(20.0 * MB, 0.01)), disk(source, Speed(20.0 * MB)))


def test_what_can_not_be_shown_is_told_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with throttle_in(tmp_path) as throttle:
            await throttle.show([share(source)(throttle)], others=False)
            absent = View(tmp_path / "absent", throttle.place("absent"), FAST, "b", True, True)
            with pytest.raises(SandboxError, match=r"absent can not be shown at 4096MB/s: .*No such file"):
                await throttle.show([absent], others=False)

    asyncio.run(run())
    assert mounts_below("/fclocal-", tmp_path) == []


def test_a_folder_that_holds_its_own_view_can_be_shown(tmp_path: Path) -> None:
    """Such as all of /tmp. Who looks through all of it must come to an end."""
    with tempfile.TemporaryDirectory(prefix="fclocal-test-") as project:
        (Path(project) / "here").touch()

        def use(place: Path) -> None:
            below = place / Path(project).name
            assert [path.name for path in below.iterdir()] == ["here"]
            runs = [*place.glob(f"fclocal-{os.getuid()}/*")]
            assert place.parent.name not in [run.name for run in runs]

        shown(Path(project), use, disk(Path(tempfile.gettempdir())))


def test_files_of_a_program_that_died_are_errors_and_the_next_ones_are_shown(source: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with throttle_in(tmp_path) as throttle:
            first, second = share(source)(throttle), disk(source)(throttle)
            await throttle.show([first], others=False)
            mark = f"FCLOCAL_RUN={first.target.parent.name}".encode()
            assert kill_marked(map(int, filter(str.isdigit, os.listdir("/proc"))), mark) == 1
            await asyncio.to_thread(eventually, lambda: is_broken(first.target), "its files are errors")
            await asyncio.to_thread(eventually, lambda: throttle.is_over, "it is known that it died")
            await throttle.show([second], others=False)
            assert await asyncio.to_thread((second.target / "large").stat)

    asyncio.run(run())
    assert mounts_below("/fclocal-", tmp_path) == []


def is_broken(place: Path) -> bool:
    try:
        (place / "large").stat()
    except OSError:
        return True
    return False


def test_nothing_is_left_of_an_owner_that_is_killed_and_its_files_are(source: Path, tmp_path: Path) -> None:
    (tmp_path / ".fclocal").mkdir()
    argv = [sys.executable, "-c", OWNER, str(tmp_path / ".fclocal")]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        place = Path(owner.stdout.readline().strip())
        if not place.is_absolute():
            said = owner.communicate()[1]
            assert any(reason in said for reason in NOT_HERE), said
            pytest.skip(said.splitlines()[-1])
        owner.send_signal(signal.SIGKILL)
    eventually(lambda: not place.parent.exists(), "its folders are gone")
    eventually(lambda: not [*(tmp_path / ".fclocal" / "run").iterdir()], "these, too")
    assert str(place) not in Path("/proc/self/mountinfo").read_text()
    assert (source / "large").stat().st_size == 8 * MB
