"""One container, as the engine is asked about it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import IO, Any

from emulator.model.errors import SandboxError
from emulator.sandbox.container.cards import advised
from emulator.sandbox.container.engine import Absent, Api, Engine
from emulator.sandbox.container.recipe import Json

_WITHOUT_OVERLAYS = "start with --strict, which needs no overlays, or choose another --state-dir"
_COMPLAINT_LINES = 3


class Container:
    """Made by `create`; owns its volumes too."""

    def __init__(self, engine: Engine, id: str, volumes: Sequence[str] = ()) -> None:
        self._engine = engine
        self._volumes = volumes
        self.id = id

    @classmethod
    async def create(cls, engine: Engine, name: str, config: Json, volumes: Sequence[Json]) -> Container:
        """Raises `SandboxError` with the engine's words; then nothing is left."""
        made = cls(engine, name, [str(volume["name"]) for volume in volumes])
        try:
            # podman knows no volume that is described with the container.
            for volume in volumes:
                await engine.call(Api.create_volume, **volume)
            made.id = str((await engine.call(Api.create_container_from_config, config, name))["Id"])
        except SandboxError:
            with contextlib.suppress(SandboxError):
                await made.remove()
            raise
        return made

    async def start(self) -> None:
        """Raises `SandboxError`, with what would help where that is known."""
        try:
            await self._engine.call(Api.start, self.id)
        except SandboxError as error:
            if self._volumes and "overlay" in error.message.lower() and not error.next_step:
                raise SandboxError(error.message, _WITHOUT_OVERLAYS) from error
            raise advised(error) from error

    async def wait(self) -> None:
        """Until it has ended."""
        await self._engine.wait(Api.wait, self.id)

    async def state(self) -> Mapping[str, Any]:
        """What the engine knows of its process: `Pid`, `Running`, `ExitCode`, `OOMKilled`."""
        found: Mapping[str, Any] = (await self.inspect())["State"]
        return found

    async def inspect(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await self._engine.call(Api.inspect_container, self.id)
        return found

    async def complaint(self) -> str:
        """The last words of our shell, which has the engine's own log for itself."""
        text = b""
        with contextlib.suppress(SandboxError):
            text = await self._engine.call(Api.logs, self.id, tail=_COMPLAINT_LINES)
        return text.decode(errors="replace").strip()

    async def pause(self) -> None:
        await self._engine.call(Api.pause, self.id)

    async def unpause(self) -> None:
        await self._engine.call(Api.unpause, self.id)

    async def kill(self) -> None:
        """Nothing happens where it does not run."""
        with contextlib.suppress(SandboxError):
            await self._engine.call(Api.kill, self.id)

    async def execute(self, argv: Sequence[str], *, cwd: str = "", user: str = "") -> int:
        """Run one more command inside, as the same user; its exit code. Waits for its end."""
        code, _ = await self.told(argv, cwd=cwd, user=user)
        return code

    async def told(self, argv: Sequence[str], *, cwd: str = "", user: str = "") -> tuple[int, bytes]:
        """As `execute`, and what the command wrote."""
        made = await self._engine.call(Api.exec_create, self.id, [*argv], workdir=cwd or None, user=user)
        output: bytes = await self._engine.wait(Api.exec_start, made["Id"])
        return int((await self._engine.call(Api.exec_inspect, made["Id"]))["ExitCode"]), output

    async def put(self, archive: IO[bytes], target: str) -> None:
        """Unpack a tar archive in a folder of it, started or not."""
        await self._engine.call(Api.put_archive, self.id, target, archive)

    async def got(self, path: str) -> bytes:
        """A tar archive of a file or folder of it, started or not."""
        return await self._engine.call(_archived, self.id, path)

    async def memory(self) -> int:
        """What its processes use, in bytes; page cache that can be taken back is not counted."""
        found = (await self._engine.call(Api.stats, self.id, stream=False, one_shot=True)).get("memory_stats") or {}
        details = found.get("stats") or {}
        cache = details.get("inactive_file", details.get("total_inactive_file", 0))
        return max(0, int(found.get("usage") or 0) - int(cache))

    async def signal(self, number: int) -> None:
        """To its first process. Nothing happens where it does not run."""
        with contextlib.suppress(SandboxError):
            await self._engine.call(Api.kill, self.id, signal=number)

    async def remove(self) -> None:
        """With its process, its volumes and its log. Raises `SandboxError` where the engine can not."""
        with contextlib.suppress(Absent):
            await self._engine.call(Api.remove_container, self.id, v=True, force=True)
        for volume in self._volumes:
            with contextlib.suppress(Absent):
                await self._engine.call(Api.remove_volume, volume)


def _archived(api: Api, id: str, path: str) -> bytes:
    chunks, _ = api.get_archive(id, path)
    return b"".join(chunks)
