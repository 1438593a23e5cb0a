"""Starting one process with chosen file descriptors, and knowing exactly when it ended."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from emulator.model.launch import Exit

# Above every number that a child is given, so that no dup2 can overwrite a source that is still needed.
_FIRST_SAFE_FD = 64


class MainProcess(Protocol):
    """The process with which an instance begins, and ends. `exited` is its status as waitpid(2) gives it."""

    @property
    def pid(self) -> int: ...

    @property
    def exited(self) -> asyncio.Future[int]: ...

    def send(self, number: int) -> None:
        """Signal the process; nothing happens when it is gone."""
        ...

    def kill_group(self) -> None:
        """SIGKILL to it and to what it started in its session; nothing happens when it is gone."""
        ...


class Child:
    """A process of ours, watched by a pidfd: asyncio's own wait may hang on a pipe that a grandchild holds.

    With `leads`, the rest of its process group ends with it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, pid: int, *, leads: bool = False) -> None:
        self.pid = pid
        self._leads = leads
        self.exited: asyncio.Future[int] = loop.create_future()
        self._loop = loop
        self._pidfd = os.pidfd_open(pid)
        loop.add_reader(self._pidfd, self._reap)

    def send(self, number: int) -> None:
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def kill_group(self) -> None:
        if self._pidfd >= 0:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)

    def _reap(self) -> None:
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return
        if self._leads:  # while nobody reaped it, the number of the group can mean no other one
            self.kill_group()
        _, status = os.waitpid(self.pid, 0)
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        if not self.exited.done():
            self.exited.set_result(status)


class Handle:
    """A process that is not our child, held by a pidfd so that its number can not come to mean another one."""

    def __init__(self, pid: int, pidfd: int | None = None) -> None:
        self.pid = pid
        self._pidfd = os.pidfd_open(pid) if pidfd is None else pidfd

    @classmethod
    def of(cls, pidfd: int) -> Handle:
        """Of a pidfd that somebody in another pid namespace gave us. Raises `OSError` where that process is gone."""
        text = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
        pid = next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pid:")), -1)
        if pid <= 0:
            raise ProcessLookupError("the process is gone")
        return cls(pid, pidfd)

    def send(self, number: int) -> None:
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def close(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


def spawn(
    loop: asyncio.AbstractEventLoop,
    argv: Sequence[str],
    env: Mapping[str, str],
    fds: Mapping[int, int],
    *,
    leads: bool = False,
) -> Child:
    """Start `argv` (argv[0] is a full path) in a session of its own; `fds` maps its descriptors to ours.

    Must run on a thread that lives as long as the process should: bubblewrap's death signal is tied to the
    thread that started it. Raises `OSError`.
    """
    copies = {number: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_SAFE_FD) for number, fd in fds.items()}
    actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = []
    if 0 not in copies:
        actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
    actions.extend((os.POSIX_SPAWN_DUP2, copy, number) for number, copy in copies.items())
    try:
        # Python ignores SIGPIPE, and a child would inherit that. SIGXFSZ stays ignored on purpose: a file over
        # the disk limit is then an error for the function and not its death.
        pid = os.posix_spawn(
            argv[0],
            list(argv),
            dict(env),
            file_actions=actions,
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
        )
    finally:
        for copy in copies.values():
            os.close(copy)
    return Child(loop, pid, leads=leads)


def keep_inherited_descriptors() -> None:
    """Whatever our own parent left open (a shell's pipes, a terminal) must not reach a function."""
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 (names are wanted)
        with contextlib.suppress(OSError):
            if int(name) > 2:
                os.set_inheritable(int(name), False)


def memory_file(name: str, content: bytes) -> int:
    """A nameless file with this content, at its beginning: for what must not be on a command line or a disk."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def exit_of(status: int, *, gated: bool) -> Exit:
    """bubblewrap can not die of its program's signal and exits with 128 + its number, as a shell does."""
    if os.WIFSIGNALED(status):
        return Exit(code=None, signal=os.WTERMSIG(status))
    code = os.WEXITSTATUS(status)
    if gated and code - 128 in signal.valid_signals():
        return Exit(code=None, signal=code - 128)
    return Exit(code=code)
