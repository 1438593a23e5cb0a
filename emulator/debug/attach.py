"""Asking instances to load their debugger: at their birth, when an editor comes, or when they are thawed."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any

from emulator.debug.process import ASLEEP
from emulator.instance.control import Control, ControlError
from emulator.instance.debugger import JOINING
from emulator.instance.instance import Instance
from emulator.journal.journal import Journal
from emulator.model.lifecycle import StopReason

# debugpy is loaded in tenths of a second, in seconds beside a handler that computes.
LOAD_SECONDS = 30.0
# How long a bootstrap may take until it dials.
DIAL_SECONDS = 10.0
# Who holds an instance's time: there are other debuggers than those that speak DAP.
HOLDER = "dap"
OLDEST_PYTHON = (3, 8)
# Up to 3.11, threads that run already are stopped by a library of debugpy's, which it has for this platform alone.
JOINABLE_PYTHON = (3, 12)
JOINABLE_ARCH = "x86_64-linux-gnu"

Own = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]


class Loading:
    """Instances that must not be frozen, nor given a request, since a debugger just gets ready in them."""

    def __init__(self) -> None:
        self._held: collections.Counter[str] = collections.Counter()

    @contextlib.asynccontextmanager
    async def held(self, instance: Instance) -> AsyncIterator[None]:
        """Its time stands still meanwhile."""
        self._held[instance.id] += 1
        if instance.state not in ASLEEP:
            instance.pause(JOINING)
        try:
            yield
        finally:
            self._held[instance.id] -= 1
            if not self._held[instance.id]:
                del self._held[instance.id]
                instance.resume(JOINING)


class Attaching:
    """Knows which processes have been asked: twice is as once."""

    def __init__(self, journal: Journal, own: Own) -> None:
        self._journal = journal
        self._own = own
        self._loading: dict[Control, asyncio.Task[None]] = {}
        self._born: dict[str, asyncio.Event] = {}

    def can_load(self, instance: Instance) -> bool:
        """Whether a process of it has not been asked yet."""
        return any(it.language == "python" and it not in self._loading for it in instance.controls)

    def joined(self, instances: Iterable[Instance]) -> list[Instance]:
        """Those that a debugger can come to now. In the others it could not stop what runs: they make room."""
        late = [instance for instance in instances if any(map(self._is_late, instance.controls))]
        for instance in late:
            instance.condemn(StopReason.DEBUGGED)
        return [instance for instance in instances if instance not in late]

    def _is_late(self, control: Control) -> bool:
        if control.language != "python" or control in self._loading or control.arch == JOINABLE_ARCH:
            return False
        return OLDEST_PYTHON <= numbers(control.version) < JOINABLE_PYTHON

    async def attach(self, instance: Instance) -> None:
        """Every process of it that can be. Returns when they are, or can not be."""
        await asyncio.gather(*(self.load(instance, control) for control in list(instance.controls)))

    async def load(self, instance: Instance, control: Control) -> None:
        if control.language != "python":
            return
        task = self._loading.get(control)
        if task is None:
            task = self._loading[control] = self._own(self._load(instance, control))
        await asyncio.shield(task)

    async def _load(self, instance: Instance, control: Control) -> None:
        try:
            await control.ask("attach", LOAD_SECONDS)
        except ControlError as failed:
            reason = str(failed)
            if numbers(control.version) < OLDEST_PYTHON:
                reason = f"debugpy needs Python 3.8, and this is {control.version}"
            if not control.closed:
                self._journal.notice(f"no debugger for this function: {reason}", function=instance.function)

    def forget(self) -> None:
        """What was asked of processes that are gone."""
        for control in [control for control in self._loading if control.closed]:
            del self._loading[control]

    async def born(self, instance: Instance) -> None:
        """It was told to wait for us before it loads user code. Returns when it has loaded its debugger, or is dead."""
        loading = self._own(self._first(instance))
        either: set[asyncio.Future[Any]] = {loading, instance.sandbox.exited}
        await asyncio.wait(either, timeout=DIAL_SECONDS + LOAD_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        loading.cancel()

    async def _first(self, instance: Instance) -> None:
        dialled = self._born[instance.id] = asyncio.Event()
        try:
            if instance.control is None:
                async with asyncio.timeout(DIAL_SECONDS):
                    await dialled.wait()
        except TimeoutError:
            where = instance.sandbox.launch.env.get("FCLOCAL_DEBUG", "")
            text = f"no debugger for this function: it does not reach the emulator at {where}"
            self._journal.notice(text, function=instance.function)
            return
        finally:
            del self._born[instance.id]
        if instance.control is not None:
            await self.load(instance, instance.control)

    def dialled(self, instance: Instance) -> None:
        if instance.id in self._born:
            self._born[instance.id].set()


def numbers(version: object) -> tuple[int, ...]:
    """`3.12.1` as numbers that compare."""
    return tuple(int(part) for part in str(version).split(".") if part.isdigit())
