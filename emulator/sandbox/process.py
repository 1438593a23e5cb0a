"""One instance as processes on this machine: the same life for every rung, which only says how to start."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from emulator.model.errors import SandboxError
from emulator.model.launch import Exit, Launch, TcpEndpoint, UnixEndpoint, Usage
from emulator.model.limits import FILE_DESCRIPTORS, PROCESSES
from emulator.sandbox import proctree
from emulator.sandbox.base import Listener, LogSink
from emulator.sandbox.disk import shares_storage
from emulator.sandbox.endpoint import UnixListener, dial_tcp, dial_unix
from emulator.sandbox.folders import InstanceFolders
from emulator.sandbox.freezer import Freezer, SignalFreezer, TracedFreezer
from emulator.sandbox.gate import Gate
from emulator.sandbox.ground import Ground
from emulator.sandbox.groups import Group
from emulator.sandbox.listeners import listening, process_tree
from emulator.sandbox.logs import LogPipe
from emulator.sandbox.networks import OwnNetwork
from emulator.sandbox.overlay import Overlay
from emulator.sandbox.rung import ENDPOINT_FD, Bounds, Inside, Plan
from emulator.sandbox.spawn import Child, Handle, MainProcess, exit_of, memory_file, spawn
from emulator.sandbox.upkeep import Upkeep, limit_processes

_NOBODY = Exit(code=None)
_COMPLAIN_SECONDS = 1.0
_SWEEP_SECONDS = 0.005
_SWEEPS = 400


class ProcessSandbox:
    """See `base.Sandbox`. Made by `walls.ProcessWalls`, which owns it until `aclose`."""

    def __init__(
        self, ground: Ground, name: str, launch: Launch, logs: LogSink, forget: Callable[[ProcessSandbox], None]
    ) -> None:
        self.name = name
        self._ground = ground
        self._launch = launch
        self._sink = logs
        self._forget = forget
        self._loop = asyncio.get_running_loop()
        self._exited: asyncio.Future[Exit] = self._loop.create_future()
        self._group = Group(())
        self._upkeep = Upkeep(self._group, self.members, self._memory_is_over)
        self._folders: InstanceFolders | None = None
        self._logs: LogPipe | None = None
        self._overlays: Sequence[Overlay] = ()
        self._child: MainProcess | None = None
        # Kept until bubblewrap is let in or dead: where it finds nobody at its gate, it goes on.
        self._gate: Gate | None = None
        self._init: Handle | None = None
        self._said: list[bytes] | None = None
        self._freezer: Freezer = SignalFreezer(self._members) if launch.debug_port is None else TracedFreezer()
        self._network: OwnNetwork | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: asyncio.Task[None] | None = None

    @property
    def launch(self) -> Launch:
        return self._launch

    @property
    def folders(self) -> InstanceFolders | None:
        """None before it is started."""
        return self._folders

    @property
    def exited(self) -> asyncio.Future[Exit]:
        return self._exited

    async def start(self) -> None:
        if self._closing is not None:  # else nobody would end what is started now
            raise SandboxError(f"{self.name} was ended before it was started")
        await self._or_close(self._start())

    async def _or_close(self, building: Coroutine[Any, Any, None]) -> None:
        """Walls that could not be built are closed. Raises `SandboxError`."""
        try:
            await building
        except OSError as error:
            self.close_soon()
            raise SandboxError(f"The walls of {self.name} could not be built: {error}", "fclocal doctor") from error
        except BaseException:
            self.close_soon()
            raise

    async def dial(self, port: int | None = None) -> socket.socket:
        self._upkeep.touch()
        endpoint = self._launch.endpoint if port is None else TcpEndpoint(port)
        if self._folders is None or self._exited.done():
            raise ConnectionRefusedError(f"{self.name} does not run")
        if isinstance(endpoint, UnixEndpoint):
            return await dial_unix(self._folders.socket)
        if self._network is not None:
            return await self._network.dial(endpoint.port)
        return await dial_tcp(endpoint.port)

    def listeners(self) -> Sequence[Listener]:
        """Every process below ours counts, also one that left its session; each is asked in its own network."""
        if self._child is None or self._exited.done():
            return ()
        return listening({pid for root in self._roots() for pid in (root, *process_tree(root))})

    async def freeze(self) -> None:
        if self._exited.done() or self._child is None:
            return
        self._upkeep.sleep()
        await self._freezer.freeze()

    async def thaw(self) -> None:
        self._freezer.thaw()
        self._upkeep.wake()

    def drain_logs(self) -> None:
        if self._logs:
            self._logs.drain_now()
        self._upkeep.touch()

    def usage(self) -> Usage:
        return self._upkeep.usage()

    def members(self) -> Iterable[int]:
        """Every process inside, for measuring; where it takes a look at the whole machine, a moment ago will do."""
        return self._members(self._ground.census.recent)

    def written(self) -> Sequence[str]:
        return [path for overlay in self._overlays for path in overlay.written()]

    async def run(self, argv: Sequence[str], timeout: float | None) -> Exit:
        if self._exited.done() or self._child is None or self._logs is None or self._folders is None:
            raise SandboxError(f"{self.name} does not run")
        plan = self._ground.rung.command(
            self._launch,
            argv,
            Inside(self._folders, self._init.pid if self._init else 0),
            self._group.folders,
            self._bounds(),
        )
        child = self._spawn(plan, {})
        try:
            status = await asyncio.wait_for(asyncio.shield(child.exited), timeout)
        except BaseException:
            child.kill_group()
            await child.exited
            raise
        finally:
            self._logs.drain_now()
        return exit_of(status, gated=self._init is not None)

    async def stop(self, grace: float | None) -> Exit:
        if self._child is None:
            return await self.kill()
        await self.thaw()
        self.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self._exited), grace)
        return await self.kill()

    async def kill(self) -> Exit:
        if self._child is None:
            self._end(_NOBODY)
        elif not self._exited.done():
            moment = time.monotonic()
            await asyncio.sleep(0)  # who is killed together shares one look at the processes
            self._kill(self._members(moment))
        return await asyncio.shield(self._exited)

    def close_soon(self) -> asyncio.Task[None]:
        """As `aclose`, which waits for it."""
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        return self._closing

    async def aclose(self) -> None:
        await asyncio.shield(self.close_soon())

    async def _start(self) -> None:
        plan = self._prepare()
        if plan.gated:
            self._gate = Gate(self._loop, joins=bool(self._group.folders))
        self._child = self._spawn_first(plan, self._gate)
        self._ground.reaper.watch(self._child.pid)
        self._tasks.append(self._loop.create_task(self._wait(self._child)))
        if self._gate:
            self._gate.close_child_ends()
            await self._let_in(self._child, self._gate)
            self._gate.close()
        self._upkeep.start(self._launch, plan.disk, limits=self._ground.limits)

    def _prepare(self) -> Plan:
        self._ground.networks.require(self._launch.network)
        folders = self._ground.folders.instance(self.name)
        self._furnish(folders)
        plan = self._plan(folders)
        self._overlays = plan.overlays
        return plan

    def _plan(self, folders: InstanceFolders) -> Plan:
        return self._ground.rung.plan(self._launch, folders, self._group.folders, self._bounds())

    def _furnish(self, folders: InstanceFolders) -> None:
        """Everything that an instance needs beside its processes, in `folders`."""
        self._folders = folders
        self._group = self._ground.cgroups.group(
            self.name, memory_mb=self._launch.memory_mb, cpu=self._launch.cpu, processes=PROCESSES + 1
        )
        self._upkeep = Upkeep(self._group, self.members, self._memory_is_over)
        self._freezer = self._group.freezer() or self._freezer
        self._logs = LogPipe(self._loop, self._log)

    def _spawn_first(self, plan: Plan, gate: Gate | None) -> Child:
        fds = dict(gate.child_fds) if gate else {}
        with self._listener() as listening:
            fds.update(zip((ENDPOINT_FD,), listening, strict=False))
            return self._spawn(plan, fds, leads=True)

    @contextlib.contextmanager
    def _listener(self) -> Iterator[Sequence[int]]:
        """The descriptor that listens where the instance is to be dialled, if that is ours to make."""
        if self._folders is None or not isinstance(self._launch.endpoint, UnixEndpoint):
            yield ()
            return
        listener = UnixListener(self._folders.socket)
        try:
            yield (listener.fd,)
        finally:
            listener.close()

    def _spawn(self, plan: Plan, fds: Mapping[int, int], *, leads: bool = False) -> Child:
        """Start `plan`, its output going to the instance's log."""
        if self._logs is None:
            raise SandboxError(f"{self.name} does not run")
        with contextlib.ExitStack() as closing:
            given = {1: self._logs.write_fd, 2: self._logs.write_fd, **fds}
            for number, content in plan.files.items():
                given[number] = memory_file("fclocal", content)
                closing.callback(os.close, given[number])
            child = spawn(self._loop, plan.argv, plan.env, given, leads=leads)
        if self._folders is not None:
            self._ground.census.enroll(child.pid, self._folders.mark)
        return child

    async def _let_in(self, child: Child, gate: Gate) -> None:
        """Wait until the walls stand and the control groups are joined, then let the program start."""
        self._said = []
        inner = await gate.inner()
        if inner is None:
            raise await self._complaint(child)
        self._init = Handle(inner)
        if child.exited.done():
            self._init.send(signal.SIGKILL)
        await self._hold(inner, inner)
        try:
            gate.open()
        except BrokenPipeError:  # it was ready, and ended before it was let go
            raise await self._complaint(child) from None
        # What it says from here on is the program's: it is read in a later turn of the loop.
        self._said = None

    async def _complaint(self, child: Child) -> SandboxError:
        """Why there are no walls, in the words of who was to build them."""
        await asyncio.wait([child.exited], timeout=_COMPLAIN_SECONDS)
        self.drain_logs()
        said = b"; ".join((self._said or [])[-3:]).decode(errors="replace")
        ended = f"it ended with {exit_of(child.exited.result(), gated=False)}" if child.exited.done() else ""
        return SandboxError(f"The walls of {self.name} could not be built: {said or ended or 'no reason was given'}")

    async def _hold(self, first: int, main: int) -> None:
        """What is done from outside to processes that have namespaces and do not run yet: `first` is the first there,
        and all that is to be counted comes from `main`."""
        if "pids" not in self._ground.cgroups.controllers:
            limit_processes(main)
        self._network = await self._ground.networks.enter(self._launch, first)
        if self._network and self._closing:  # it may have been too late for whoever closes
            await self._network.aclose()

    def _bounds(self) -> Bounds:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        allowed = FILE_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(FILE_DESCRIPTORS, hard)
        # One file can not outgrow the disk; mounted storage has no such limit, and the kernel knows no difference.
        size = self._launch.disk_mb if self._ground.limits and not shares_storage(self._launch) else None
        return Bounds(allowed, (size or 0) * 1024)

    def _log(self, line: bytes) -> None:
        if self._said is None:
            self._sink(line)
        else:
            self._said.append(line)

    # --- the end ---

    async def _wait(self, child: MainProcess) -> None:
        """From the death of the main process to `exited`."""
        status = await child.exited
        if child.pid:
            self._ground.reaper.forget(child.pid)
        if self._init:  # follows bubblewrap by itself, but not before it got ready for that
            self._init.send(signal.SIGKILL)
        await self._sweep()
        if self._logs:
            self._logs.close()
        killed = exit_of(status, gated=self._init is not None)
        self._end(replace(killed, oom=killed.signal == signal.SIGKILL and self._upkeep.out_of_memory))

    async def _sweep(self) -> None:
        """End what the main process left behind. Instances that end together share their looks at the processes."""
        pause = 0.0
        for _ in range(_SWEEPS):
            moment = time.monotonic()
            await asyncio.sleep(pause)
            rest = [*self._members(moment)]
            if not rest:
                break
            self._kill(rest)
            pause = _SWEEP_SECONDS

    def _end(self, how: Exit) -> None:
        if not self._exited.done():
            self._exited.set_result(how)

    def signal(self, number: int) -> None:
        """To the user's program: bubblewrap's processes around it would not hand it on."""
        main = self._main()
        if main is not None:
            with contextlib.suppress(OSError):
                os.kill(main, number)
        elif self._child is not None and self._init is None:
            self._child.send(number)

    def _main(self) -> int | None:
        """The user's program, where it is not the process that we started."""
        return proctree.first_inside(self._init.pid) if self._init is not None else None

    def _roots(self) -> Sequence[int]:
        """All processes of the instance are these, or come from these."""
        return [self._child.pid] if self._child is not None else []

    def _kill(self, members: Iterable[int]) -> None:
        """SIGKILL to everything; the pid namespace, where there is one, goes with its first process."""
        if self._init is not None:
            self._init.send(signal.SIGKILL)
        elif self._child is not None:
            self._child.send(signal.SIGKILL)
            self._group.kill()
            for pid in members:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        self._freezer.thaw()

    async def _close(self) -> None:
        try:
            await self.kill()
            await self._upkeep.aclose()
            await asyncio.gather(*self._tasks)
        finally:
            await self._remove()
            self._forget(self)

    async def _remove(self) -> None:
        for held in (self._gate, self._logs, self._init, self._freezer):
            if held:
                held.close()
        if self._network:
            await self._network.aclose()
        for _ in range(_SWEEPS):
            if self._group.remove():
                break
            await asyncio.sleep(_SWEEP_SECONDS)
        if self._folders:
            await self._folders.aclose()

    def _memory_is_over(self) -> None:
        if not self._exited.done():
            self._kill(self._members(time.monotonic()))

    def _members(self, since: float) -> Iterable[int]:
        """Every process inside, at this moment of the monotonic clock or later, as well as this rung can know it."""
        grouped = self._group.pids()
        if grouped is not None:
            return grouped
        if self._init is not None:
            return self._inside(self._init.pid)
        return self._ground.census.since(since, self._folders.mark) if self._folders is not None else ()

    def _inside(self, init: int) -> Iterable[int]:
        return proctree.walk(init)
