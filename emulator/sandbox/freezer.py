"""Stopping every process of an instance where it stands, and letting it go on."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from emulator.model.errors import SandboxError
from emulator.sandbox import proctree

_LOOK_AGAIN_SECONDS = 0.0005
_GIVE_UP_SECONDS = 10.0


class Freezer(Protocol):
    """`kind` is what `fclocal doctor` prints. Thawing is a write or a few signals: it never waits."""

    @property
    def kind(self) -> str: ...

    async def freeze(self) -> None: ...

    def thaw(self) -> None: ...

    def close(self) -> None: ...


class CgroupFreezer:
    """cgroup v2 `cgroup.freeze`, or the v1 freezer. Files stay open, since a thaw is on the path of a request.

    A v1 group must be thawed before its processes can die (sandbox.md: state D); v2 lets SIGKILL through.
    """

    def __init__(self, group: Path, *, v2: bool) -> None:
        self.kind = "cgroup v2 freeze" if v2 else "cgroup v1 freezer"
        self._frozen, self._thawed = (b"1", b"0") if v2 else (b"FROZEN", b"THAWED")
        self._sign = b"frozen 1" if v2 else b"FROZEN"
        self._wanted = False
        self._switch = os.open(group / ("cgroup.freeze" if v2 else "freezer.state"), os.O_WRONLY | os.O_CLOEXEC)
        self._state = os.open(group / ("cgroup.events" if v2 else "freezer.state"), os.O_RDONLY | os.O_CLOEXEC)

    async def freeze(self) -> None:
        """Returns when all stand still, or when somebody thawed meanwhile. Raises `SandboxError`."""
        self._wanted = True
        os.write(self._switch, self._frozen)
        deadline = asyncio.get_running_loop().time() + _GIVE_UP_SECONDS
        try:
            while self._wanted and self._sign not in os.pread(self._state, 256, 0):
                if asyncio.get_running_loop().time() > deadline:
                    raise SandboxError("The instance could not be frozen", "start with --no-freeze")
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        except BaseException:
            self.thaw()
            raise

    def thaw(self) -> None:
        self._wanted = False
        if self._switch >= 0:
            os.write(self._switch, self._thawed)

    def close(self) -> None:
        if self._switch >= 0:
            os.close(self._switch)
            os.close(self._state)
            self._switch = self._state = -1


class SignalFreezer:
    """SIGSTOP to every process that `members` names, again until no running one is left; it is asked for who was
    there at a moment (of the monotonic clock) or later.

    A function can see this: a handler of SIGCONT runs at thaw. Stopping only the process group would miss
    children that called setsid.
    """

    kind = "SIGSTOP"

    def __init__(self, members: Callable[[float], Iterable[int]]) -> None:
        self._members = members
        self._stopped: set[int] = set()
        self._wanted = False

    async def freeze(self) -> None:
        self._wanted = True
        deadline = asyncio.get_running_loop().time() + _GIVE_UP_SECONDS
        try:
            sent = time.monotonic()
            while self._wanted and (running := self._running(sent)):
                if asyncio.get_running_loop().time() > deadline:
                    raise SandboxError("The instance could not be frozen", "start with --no-freeze")
                self._stopped.update(pid for pid in running if _send(pid, signal.SIGSTOP))
                sent = time.monotonic()
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        except BaseException:
            self.thaw()
            raise

    def thaw(self) -> None:
        self._wanted = False
        for pid in self._stopped:
            _send(pid, signal.SIGCONT)
        self._stopped.clear()

    def close(self) -> None:
        self._stopped.clear()

    def _running(self, since: float) -> list[int]:
        states = ((pid, proctree.stat(pid)) for pid in self._members(since))
        return [pid for pid, known in states if known is not None and known.state not in "TtZX"]


class TracedFreezer:
    """For processes that a debugger traces, where there is no control group: they run on.

    SIGSTOP to such a one stops a single thread of it, for its debugger to decide about. If that stands as well the
    other threads run all the same, and if not it lets that one go on.
    """

    kind = "none"

    async def freeze(self) -> None: ...

    def thaw(self) -> None: ...

    def close(self) -> None: ...


def _send(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except OSError:
        return False
    return True
