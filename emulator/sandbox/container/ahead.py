"""Containers that are started before it is known for which instance: all but the code is there (docs/zygote.md).

Of the program itself, either all of ours is loaded and it waits for an order on its endpoint, or nothing of it is
started: whatever program an image has, it begins as ever, and only the container is there already.
"""

from __future__ import annotations

import os
import shlex
import socket
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from emulator.model.errors import SandboxError
from emulator.model.launch import Launch, Mount
from emulator.sandbox.assignment import assign, wait_until_parked
from emulator.sandbox.base import LogSink
from emulator.sandbox.container import late, place, recipe
from emulator.sandbox.container.entry import BEFORE, HOLD
from emulator.sandbox.container.sandbox import ContainerSandbox


class AheadContainer(ContainerSandbox):
    """See `base.Sandbox`, but that `park` comes before `start`."""

    _late: Sequence[Mount] = ()
    _parked_as: Launch | None = None
    _read_only = False

    @property
    def parked(self) -> bool:
        return self._parked_as is not None and not self._exited.done()

    async def park(self) -> None:
        """Start the container. Returns when it waits. Raises `SandboxError`, and then closes itself."""
        await self.start()

    def adopt(self, launch: Launch, logs: LogSink) -> None:
        """From now on it is to be an instance of this launch, which differs from the one that it was parked with in
        nothing but its environment."""
        self._launch, self._sink = launch, logs

    async def _start(self) -> None:
        parked_as = self._parked_as
        if parked_as is None:
            await super()._start()
            await self._wait_parked()
            if self._late:
                await self._bring(())  # where that can not be done, nobody is to rely on it later
            self._upkeep.sleep()
            self._parked_as = self._launch
            return
        self._upkeep.wake()
        if self._late:
            hidden = self._ground.hidden
            await self._bring(late.words(self._late, self._overlays, hidden, read_only=self._read_only))
        await self._assign(parked_as)

    def _config(self, launch: Launch, site: recipe.Site) -> tuple[recipe.Json, list[recipe.Json]]:
        self._read_only = site.read_only
        self._late = late.late_mounts(launch, site.overlays)
        if self._late and self._folders is not None:
            launch = late.without(launch, self._late, self._folders.root / "late")
        return super()._config(launch, replace(site, overlays=()))

    async def _bring(self, words: Sequence[str]) -> None:
        """Mount among its files, from outside."""
        if self._init is None or self._exited.done() or self._folders is None:
            raise SandboxError(f"{self.name} ended before it was started")
        namespace = os.open(f"/proc/{self._init.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        try:
            reply, _ = await self._ground.helper.ask(("bring", str(place.stage_of(self._folders)), *words), [namespace])
        finally:
            os.close(namespace)
        reply.close()

    @abstractmethod
    async def _wait_parked(self) -> None:
        """Until it waits for `_assign`."""

    @abstractmethod
    async def _assign(self, parked_as: Launch) -> None:
        """Make it the instance that it is to be."""


class ParkedContainer(AheadContainer):
    """Its program waits to be told what it is to be, see `docs/bootstrap-protocol.md`."""

    _waiting_for: socket.socket | None = None

    async def _wait_parked(self) -> None:
        self._waiting_for = await self.dial()
        await wait_until_parked(self.name, self._waiting_for, self._exited)

    async def _assign(self, parked_as: Launch) -> None:
        if self._waiting_for is not None:
            await assign(self.name, self._waiting_for, self._exited, parked_as, self._launch)

    async def _remove(self) -> None:
        if self._waiting_for is not None:
            self._waiting_for.close()
        await super()._remove()


class HeldContainer(AheadContainer):
    """Its program is not started before it is assigned."""

    _hold: int = -1

    def _config(self, launch: Launch, site: recipe.Site) -> tuple[recipe.Json, list[recipe.Json]]:
        if site.own is not None:
            self._hold = _gate(site.own.shared / HOLD)
        return super()._config(launch, site)

    async def _wait_parked(self) -> None:
        return

    async def _assign(self, parked_as: Launch) -> None:
        if self._folders is None:
            return
        before = place.shared_of(self._folders) / BEFORE
        before.write_text("".join(_before(parked_as, self._launch)))
        before.chmod(0o666)  # it is emptied inside, by whatever user an image has
        os.write(self._hold, b"go\n")

    async def _remove(self) -> None:
        if self._hold >= 0:
            os.close(self._hold)
            self._hold = -1
        await super()._remove()


def _gate(path: Path) -> int:
    """A pipe that can be written to before anybody reads it. Raises `OSError`."""
    os.mkfifo(path)
    path.chmod(0o644)
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def _before(parked_as: Launch, launch: Launch) -> Iterator[str]:
    """A text for our shell, whose folder lies below what has been mounted meanwhile."""
    for name, value in launch.env.items():
        if parked_as.env.get(name) != value and name.isidentifier():  # no shell lets others through
            yield f"export {name}={shlex.quote(value)}\n"
    for name in parked_as.env:
        if name not in launch.env and name.isidentifier():
            yield f"unset {name}\n"
    if launch.cwd:
        yield f"cd {shlex.quote(launch.cwd)}\nunset OLDPWD\n"
