"""Processes that the bench starts. Each has a group of its own, and none outlives the bench, however that ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.tree import cpu_seconds

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 10.0
LOG_TAIL_BYTES = 400


class Sweeper:
    """A process that kills the groups it was told of when the bench is gone without having ended them.

    A death signal (prctl) would reach the first process of a group only, and npm's peers start others.
    """

    def __init__(self) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "bench.processes"], cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True
        )

    def note(self, sign: str, group: int) -> None:
        """`+` for a group that has begun, `-` for one that has ended."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(f"{sign}{group}\n".encode())
        self._popen.stdin.flush()

    def close(self) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        self._popen.wait()


def sweep() -> None:
    """What the sweeper does: read until the bench closes the pipe, or dies."""
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        (groups.add if line[0] == "+" else groups.discard)(group)
    for group in groups:
        kill_group(group, signal.SIGKILL)


def kill_group(group: int, number: signal.Signals) -> None:
    """Signal a process group; nothing happens where it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


class Process:
    """A program with its descendants. Its output goes to `log`; stdin and stdout are pipes where it `is_asked`."""

    def __init__(
        self, argv: Sequence[str], log: Path, folder: Path, env: Mapping[str, str], *, is_asked: bool = False
    ) -> None:
        self.log = log
        pipe = subprocess.PIPE if is_asked else None
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                argv,
                cwd=folder,
                env=dict(env),
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._popen.poll()

    def ask(self, line: str) -> str:
        """Write one line and read one; empty where the process has ended."""
        assert self._popen.stdin is not None and self._popen.stdout is not None
        try:
            self._popen.stdin.write(f"{line}\n".encode())
            self._popen.stdin.flush()
        except BrokenPipeError:
            return ""
        return self._popen.stdout.readline().decode()

    def cpu_seconds(self) -> float:
        """CPU time of this one process so far, all its threads, none of its children."""
        return cpu_seconds(self.pid)

    def log_tail(self) -> str:
        """The end of what it printed, as one line."""
        text = self.log.read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace")
        return " ".join(text.split())

    def stop(self) -> None:
        """End it in good order, then whatever is left of its group."""
        if self._popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.close()
        kill_group(self.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(STOP_SECONDS)
        kill_group(self.pid, signal.SIGKILL)
        self._popen.wait()
        if self._popen.stdout is not None:
            self._popen.stdout.close()


class Processes:
    """Starts processes, each of which ends with its block, and all of them with the bench."""

    def __init__(self, sweeper: Sweeper) -> None:
        self._sweeper = sweeper

    @contextmanager
    def started(
        self,
        argv: Sequence[str],
        log: Path,
        folder: Path = ROOT,
        env: Mapping[str, str] | None = None,
        *,
        is_asked: bool = False,
    ) -> Iterator[Process]:
        """A process that ends with the block."""
        process = Process(argv, log, folder, {**os.environ, **(env or {})}, is_asked=is_asked)
        try:
            self._sweeper.note("+", process.pid)
            yield process
        finally:
            process.stop()
            self._sweeper.note("-", process.pid)


@contextmanager
def processes() -> Iterator[Processes]:
    """Where processes can be started."""
    sweeper = Sweeper()
    try:
        yield Processes(sweeper)
    finally:
        sweeper.close()


if __name__ == "__main__":
    sweep()
