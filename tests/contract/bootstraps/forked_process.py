"""A bootstrap that is forked from a template, in the place of `subprocess.Popen` (docs/zygote.md)."""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PATIENCE_S = 30.0
NOTHING = {"known": [], "modules": [], "path": [], "editable": [], "allowed": [], "environ": {}, "debugger": ""}


class ForkedProcess:
    """The instance; its template, which nobody else forks from, ends with it."""

    def __init__(
        self, argv: Sequence[str], *, stdout: int, cwd: Path, env: Mapping[str, str], pass_fds: Sequence[int], **_: Any
    ) -> None:
        self.returncode: int | None = None
        (listener,) = pass_fds
        self._template, self._control = self._start(argv, env, stdout)
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for sock in (self._channel, self._control):
            sock.settimeout(PATIENCE_S)
        _send(self._control, b"o", [_order({"walled": False, **NOTHING})])
        said = self._control.makefile("rb")
        line = b""
        while not line.startswith(b"r"):
            line = said.readline()
            assert line, "the template ended"
        assert "names" in json.loads(line[1:]), line
        _send(self._control, b"f", [theirs.fileno(), stdout, listener], close=False)
        theirs.close()
        kind, fds = _receive(self._channel)
        assert kind == b"p", kind
        self._pidfd = fds[0]
        self.pid = _pid_of(self._pidfd)
        own = {**env}
        if own.get("FCLOCAL_ENDPOINT") == f"fd:{listener}":
            own["FCLOCAL_ENDPOINT"] = "fd:3"
        _send(self._channel, b"o", [_order({"domain": False})])
        _send(self._channel, b"o", [_order({"env": own, "cwd": str(cwd), "file_kb": 0, "filter": ""})])
        answer, _ = _receive(self._channel)
        assert answer == b"k", answer

    def _start(self, argv: Sequence[str], env: Mapping[str, str], output: int) -> tuple[int, socket.socket]:
        with tempfile.TemporaryDirectory(prefix="fcl") as folder, socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"{folder}/t.sock")
            listening.listen()
            copy = os.dup(listening.fileno())
            actions = [
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                *((os.POSIX_SPAWN_DUP2, source, number) for source, number in ((output, 1), (output, 2), (copy, 3))),
            ]
            own = {**env, "FCLOCAL_TEMPLATE": "x" * 4096}
            # What is inherited besides would overwrite number 3, or be found open.
            pid = os.posix_spawn(argv[0], argv, own, file_actions=actions, setsid=True)
            os.close(copy)
            control = socket.socket(socket.AF_UNIX)
            control.connect(f"{folder}/t.sock")
        return pid, control

    def send_signal(self, number: int) -> None:
        signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        if self.returncode is None:
            self._channel.setblocking(False)
            try:
                self._take()
            except BlockingIOError:
                pass
            finally:
                self._channel.settimeout(PATIENCE_S)
        return self.returncode

    def wait(self, timeout: float) -> int:
        if self.returncode is None:
            self._channel.settimeout(timeout)
            self._take()
            assert self.returncode is not None
        return self.returncode

    def _take(self) -> None:
        """How it ended, as its template tells it."""
        kind, _ = _receive(self._channel)
        assert kind.startswith(b"x"), kind
        self.returncode = os.waitstatus_to_exitcode(int(kind[1:]))
        self._channel.close()
        self._control.close()
        os.close(self._pidfd)
        os.waitpid(self._template, 0)


def _order(order: Mapping[str, Any]) -> int:
    fd = os.memfd_create("order")
    os.write(fd, json.dumps(order).encode())
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _send(sock: socket.socket, data: bytes, fds: Sequence[int], *, close: bool = True) -> None:
    sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
    for fd in fds if close else ():
        os.close(fd)


def _receive(sock: socket.socket) -> tuple[bytes, list[int]]:
    data, fds, _, _ = socket.recv_fds(sock, 8192, 2)
    return data, fds


def _pid_of(pidfd: int) -> int:
    lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))
