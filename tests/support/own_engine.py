"""A Docker daemon of a test's own, which may be killed. In a network of its own it leaves the other's bridge alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

PATIENCE_SECONDS = 60.0


class OwnEngine:
    """Everything of it is below `folder`, whose path must be short: sockets are there too."""

    def __init__(self, folder: Path, *options: str, path: str = "") -> None:
        """`path`, where it is given, is where it finds programs."""
        self.folder = folder
        self.socket = folder / "d.sock"
        self.group = f"/fclocal-test-{folder.name}"
        self._options = options
        self._path = path or os.environ["PATH"]
        self._containerd: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        """As systemd does it, containerd is a service of its own, and does not die with dockerd."""
        self.socket.unlink(missing_ok=True)
        address, plain = self.folder / "c.sock", ("--log-level", "error")
        if self._containerd is None:
            folders = ("--root", str(self.folder / "images"), "--state", str(self.folder / "tasks"))
            self._containerd = self._run("containerd", "--address", str(address), *folders, *plain)
        self._process = self._run(
            "dockerd", "--host", self.host, "--containerd", str(address), "--data-root", str(self.folder / "data"),
            "--exec-root", str(self.folder / "exec"), "--pidfile", str(self.folder / "pid"), "--cgroup-parent",
            self.group, "--bridge=none", "--iptables=false", "--ip6tables=false", *plain, *self._options,
        )  # fmt: skip
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                words = (self.folder / "log").read_text(errors="replace")[-500:]
                self.close()
                pytest.skip(f"no second dockerd can be had here: {words}")
            time.sleep(0.05)

    def _run(self, *argv: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            env = {**os.environ, "PATH": self._path}
            command = ["unshare", "--net", *argv]
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)

    def kill(self) -> None:
        """As the kernel would: its containers run on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it in good order, then whatever is left of it."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE_SECONDS)
        self.kill()
        if self._containerd is not None:
            self._containerd.kill()
            self._containerd.wait()
        end_processes_of(self.folder)  # its shims
        for mounted in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            place = mounted.split()[1]
            if place.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        for tree in Path("/sys/fs/cgroup").glob(f"*{self.group}"):
            for group in sorted(tree.rglob("*/"), reverse=True):
                with contextlib.suppress(OSError):
                    group.rmdir()
            with contextlib.suppress(OSError):
                tree.rmdir()

    def _answers(self) -> bool:
        asked = ["docker", "--host", self.host, "version", "--format", "{{.Server.Version}}"]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def end_processes_of(folder: Path) -> None:
    """Those that have a path in it on their command line."""
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError):
                if f"{folder}/".encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                    os.kill(int(name), signal.SIGKILL)


def needs() -> str:
    """Why there can be no such daemon here; empty where it can."""
    if os.geteuid() != 0:
        return "only root can start a Docker daemon"
    missing = [tool for tool in ("dockerd", "docker", "unshare") if shutil.which(tool) is None]
    return f"{', '.join(missing)} is missing" if missing else ""
