"""What is made like the cloud around the start of an instance: page cache, disks, downloads (docs/profiles.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from emulator.journal.journal import Journal
from emulator.model.coldstart import PageCache
from emulator.model.conditions import Conditions
from emulator.model.errors import SandboxError
from emulator.model.events import PageCacheSeen
from emulator.model.function import Function, Revision
from emulator.model.launch import Access, Launch, Mount
from emulator.model.limits import MB
from emulator.model.speed import Speed
from emulator.registry.download import download_bytes
from emulator.runtime.compose import Through
from emulator.sandbox.base import Walls
from emulator.sandbox.launch_files import files_of
from emulator.sandbox.pagecache import Residency, evict, mapped_elsewhere, residency
from emulator.sandbox.throttling import Throttle, View, open_throttle

# What the work for all this is told as; it is none of a cold start.
SPAN = "conditions"
_MOST_TOLD = 10_000


class Staging:
    """Of one emulator. A throttle is opened when the first folder is to be shown by it."""

    def __init__(self, conditions: Conditions, journal: Journal, state_dir: Path) -> None:
        self._conditions = conditions
        self._journal = journal
        self._state_dir = state_dir
        self._throttle: Throttle | None = None
        self._views: dict[str, list[View]] = {}
        self._sizes: dict[tuple[Path, str], int] = {}

    def through(self, instance_id: str, function: Function, *, mounts: bool) -> Through:
        """How an instance is shown its folders: what is to be seen at another speed comes from elsewhere. Nothing is
        there yet: that is for `prepare`. Where walls can not mount, interpreters are found at their own paths, and so
        at their own speed."""
        views = self._views[instance_id] = []
        shares = {mount.target for mount in function.mounts}

        def one(mount: Mount) -> Mount:
            if not mounts and mount.target == str(mount.sources[0]):
                return mount
            return self._shown(mount, instance_id, views, share=mount.target in shares)

        def shown(folders: Sequence[Mount]) -> tuple[Mount, ...]:
            return tuple(map(one, folders))

        return shown

    async def prepare(self, instance_id: str, revision: Revision, launch: Launch, walls: Walls) -> None:
        """Everything that is to be before the walls are built. Raises `SandboxError` where it can not be had."""
        name = str(revision.function.name)
        with self._journal.span(SPAN, name, instance_id):
            code, image = await asyncio.to_thread(self._downloads, revision)
            await self._show(instance_id, walls)
            if self._conditions.cache != "keep":
                cold = self._conditions.cache == "cold"
                hidden = (self._state_dir.resolve(),)
                seen = await asyncio.to_thread(_see, launch, hidden, cold)
                self._tell(name, instance_id, launch, seen)
        await self._spend("code_download", name, instance_id, self._conditions.code_download, code)
        await self._spend("image_pull", name, instance_id, self._conditions.image_pull, image)

    def release(self, instance_id: str) -> None:
        """The instance is gone, or will not be."""
        views = self._views.pop(instance_id, ())
        if views and self._throttle is not None:
            self._throttle.hide(view.target for view in views)

    async def aclose(self) -> None:
        if self._throttle is not None:
            await self._throttle.aclose()

    # --- disks and shares ---

    def _shown(self, mount: Mount, instance_id: str, views: list[View], *, share: bool) -> Mount:
        speed = self._conditions.nas if share else self._conditions.disk
        if speed is None or not all(source.is_dir() for source in mount.sources):
            return mount
        targets = []
        for source in mount.sources:
            target = self._opened().place(f"{instance_id}.{len(views)}")
            bucket = str(source) if share else instance_id
            views.append(View(source, target, speed, bucket, share, mount.access is Access.WRITE))
            targets.append(target)
        return Mount(tuple(targets), mount.target, mount.access, origins=mount.sources)

    def _opened(self) -> Throttle:
        if self._throttle is None:
            self._throttle = open_throttle(self._state_dir)
        return self._throttle

    async def _show(self, instance_id: str, walls: Walls) -> None:
        views = self._views.get(instance_id)
        if not views or self._throttle is None:
            return
        if not walls.shares_sockets:
            raise SandboxError(
                "another kernel can not be shown a folder at another speed", "use --walls process, or --disk off"
            )
        await self._throttle.show(views, others=walls.rung == "container")

    # --- downloads ---

    def _downloads(self, revision: Revision) -> tuple[int, int]:
        """Bytes of code with layers, and of the image, that would come before the start."""
        function = revision.function
        container = function.custom_container
        image = container.resolved.size if container is not None and container.resolved is not None else 0
        if self._conditions.code_download is None or container is not None:
            return 0, image
        code = function.code if function.code is not None and function.code.is_file() else revision.code_dir
        parts = [(code, revision.fingerprint), *((layer.path, layer.arn) for layer in function.layers)]
        return sum(self._size(path, key) for path, key in parts if path is not None and path.exists()), image

    def _size(self, path: Path, key: str) -> int:
        if (path, key) not in self._sizes:
            self._sizes[path, key] = download_bytes(path)
        return self._sizes[path, key]

    async def _spend(self, span: str, name: str, instance_id: str, speed: Speed | None, size: int) -> None:
        if speed is None or not size:
            return
        with self._journal.span(span, name, instance_id) as recorder:
            recorder.detail = f"{size / MB:.1f} MB at {speed}"
            await asyncio.sleep(speed.seconds(size))

    # --- the page cache ---

    def _tell(self, name: str, instance_id: str, launch: Launch, seen: _Seen) -> None:
        left = sorted(((it.path, it.resident) for it in seen.after if it.resident), key=lambda it: -it[1])
        self._journal.append(
            PageCacheSeen(
                self._journal.now(), instance_id, name, self._conditions.cache, seen.sizes,
                left=tuple(left[:_MOST_TOLD]), places=seen.places, image=launch.image,
            )
        )  # fmt: skip


class _Seen(Struct, frozen=True):
    """Where the files of a launch are, what was and what is of them in the page cache, and how many bytes of that other
    processes have mapped."""

    places: tuple[str, ...]
    before: Sequence[Residency]
    after: Sequence[Residency]
    mapped: int = 0

    @property
    def sizes(self) -> PageCache:
        size, unknown = sum(it.size for it in self.before), sum(it.size for it in self.after if it.resident is None)
        return PageCache(len(self.before), size, _resident(self.before), _resident(self.after), self.mapped, unknown)


def _see(launch: Launch, hidden: Sequence[Path], cold: bool) -> _Seen:
    files, places = files_of(launch, hidden)
    before = residency(files)
    if not cold:
        return _Seen(places, before, before)
    evict(it.path for it in before if it.resident != 0)
    after = residency(files)
    mapped = mapped_elsewhere([it.path for it in after if it.resident])
    return _Seen(places, before, after, _resident(it for it in after if it.path in mapped))


def _resident(files: Iterable[Residency]) -> int:
    return sum(it.resident or 0 for it in files)
