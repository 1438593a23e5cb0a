"""An instance's writable folders: their size and their removal, both in slices so that the event loop goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from emulator.model.launch import Access, Launch

_SLICE = 200
_EVERY_SECONDS = 2.0


def shares_storage(launch: Launch) -> bool:
    """Whether an instance may write to storage that outlives it, such as NAS: folders, where a single file is ours."""
    return any(mount.access is Access.WRITE and mount.sources[0].is_dir() for mount in launch.mounts)


async def size_of(folders: Sequence[Path]) -> int:
    """Bytes that the files below really take (blocks, so sparse files count what they hold)."""
    total = 0
    async for entry in _walk(folders):
        with contextlib.suppress(OSError):
            total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


async def remove_tree(folder: Path) -> None:
    """Remove a folder and everything below; folders without permissions, as overlayfs makes them, too.

    Nothing is raised: what can not be removed is left for the next start.
    """
    found = [folder]
    async for entry in _walk([folder], opening=True):
        if entry.is_dir(follow_symlinks=False):
            found.append(Path(entry.path))
        else:
            with contextlib.suppress(OSError):
                Path(entry.path).unlink()
    for path in reversed(found):
        with contextlib.suppress(OSError):
            path.rmdir()


async def _walk(folders: Sequence[Path], *, opening: bool = False) -> AsyncIterator[os.DirEntry[str]]:
    waiting = list(folders)
    seen = 0
    while waiting:
        folder = waiting.pop()
        for entry in _entries(folder, opening):
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            yield entry
            seen += 1
            if seen % _SLICE == 0:
                await asyncio.sleep(0)


def _entries(folder: Path, opening: bool) -> list[os.DirEntry[str]]:
    """With `opening`, a folder that lets nobody in is opened first; only for folders that no process uses."""
    try:
        return list(os.scandir(folder))
    except PermissionError:
        if not opening:
            return []
    except OSError:
        return []
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
        return list(os.scandir(folder))
    return []


class DiskWatch:
    """Knows the size of some folders, as it was at the last look; looks every two seconds while awake."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self.bytes = 0
        self._awake = asyncio.Event()
        self._awake.set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def sleep(self) -> None:
        """Stop looking: nothing inside runs, so nothing is written."""
        self._awake.clear()

    def wake(self) -> None:
        self._awake.set()

    async def aclose(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            await self._awake.wait()
            self.bytes = await size_of(self._folders)
            await asyncio.sleep(_EVERY_SECONDS)
