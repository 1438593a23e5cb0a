"""The command `fclocal` as a process of its own, in a project of its own: for tests of what a user meets."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "emulator")
# Nothing is asserted about time here: this only ends a test that hangs, on a machine that is busy.
PATIENCE_SECONDS = 120.0
# What the command imports, for a Python that does not have it installed.
PYTHONPATH = f"{ROOT}:{sysconfig.get_path('platlib')}"
NOBODY_IN_PARTICULAR = "54321"  # a user number that no system gives away
RUNGS = ("bwrap", "landlock", "plain")
PYTHON_FUNCTION = {"runtime": "python3.10", "handler": "index.handler", "memorySize": 256, "timeout": 30}


def eventually(look: Callable[[], Any], what: Callable[[], str] | str, patience: float = PATIENCE_SECONDS) -> Any:
    """The first true answer of `look`, which can only be asked again and again (another process's doing)."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < deadline, f"in vain: {what if isinstance(what, str) else what()}"
        time.sleep(0.02)
    return found


def free_port() -> int:
    """Programs of custom runtimes share the host's network with whatever else runs there: this is none that the kernel
    gives to an outgoing connection between now and their start (ip_local_port_range begins above it)."""
    while True:
        port = random.randrange(10_000, 32_768)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("0.0.0.0", port))
            return port


@dataclass
class Workshop:
    """A project folder and the command in it. `mark` is in the environment of everything that its functions start."""

    root: Path
    command: tuple[str, ...] = COMMAND
    mark: str = field(default_factory=lambda: f"fclocal-e2e-{uuid.uuid4().hex}")
    env: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        return self.root / ".fclocal"

    @property
    def endpoint_file(self) -> Path:
        return self.state / "endpoint.json"

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def project(self, code: str = "", /, **functions: Mapping[str, Any]) -> None:
        """Write `s.yaml` with these fc3 functions, and `code/index.py`; one function `hello` if none is named."""
        resources = {name: {"component": "fc3", "props": self._props(name, own)} for name, own in functions.items()}
        project = {"edition": "3.0.0", "name": "e2e", "access": "default", "resources": resources}
        self.write({"s.yaml": yaml.safe_dump(project, sort_keys=False), "code/index.py": code})

    def _props(self, name: str, own: Mapping[str, Any]) -> dict[str, Any]:
        props = {"region": "cn-hangzhou", "functionName": name, "code": "./code", **PYTHON_FUNCTION, **own}
        return {**props, "environmentVariables": {"E2E_MARK": self.mark, **own.get("environmentVariables", {})}}

    def environ(self, **more: str) -> dict[str, str]:
        """What the command needs, and nothing that a developer's shell may add."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_RUNTIME_DIR", "LANG") if name in os.environ}
        return {**kept, "PYTHONPATH": str(ROOT), **self.env, **more}

    def run(
        self, *args: str, input: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """One command, run to its end; without `input` its stdin is /dev/null."""
        done = subprocess.run(
            [*self.command, *args],
            cwd=self.root,
            env=self.environ(**(env or {})),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
        )
        texts = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(done.args, done.returncode, *texts)

    @contextlib.contextmanager
    def started(self, *args: str, env: Mapping[str, str] | None = None, pending: bool = False) -> Iterator[Running]:
        """`fclocal start` until everything answers; `pending`: some functions may wait for their images still. Left
        running, it is ended. However it ends, no process is left of it."""
        number = len(list(self.root.glob("*.out")))
        with (self.root / f"{number}.out").open("wb") as out, (self.root / f"{number}.err").open("wb") as err:
            process = subprocess.Popen(
                [*self.command, "start", "--port", "0", *args],
                cwd=self.root,
                env=self.environ(**(env or {})),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        running = Running(self, process, Path(out.name), Path(err.name))
        try:
            running.wait_until_ready(pending=pending)
            yield running
        finally:
            running.clear_away()
        eventually(lambda: not running.processes(), lambda: f"nothing is left of it, but {running.processes()}")


class Running:
    """A started emulator: its endpoint, what it printed, and how to end it."""

    def __init__(self, workshop: Workshop, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.workshop = workshop
        self.process = process
        self._out = out
        self._err = err

    @property
    def out(self) -> str:
        return self._out.read_text(encoding="utf-8", errors="replace")

    @property
    def err(self) -> str:
        return self._err.read_text(encoding="utf-8", errors="replace")

    @functools.cached_property
    def endpoint(self) -> dict[str, Any]:
        return json.loads(self.workshop.endpoint_file.read_text())

    @property
    def port(self) -> int:
        return int(self.endpoint["port"])

    @functools.cached_property
    def run_id(self) -> str:
        """The name of its folders, sockets and control groups."""
        return next((self.workshop.state / "run").glob(f"{self.process.pid}-*")).name

    def wait_until_ready(self, *, pending: bool = False) -> None:
        """`pending`: some functions may wait for their images still."""

        def ready() -> bool:
            assert self.process.poll() is None, f"it ended: {self.out}{self.err}"
            found = self.workshop.endpoint_file
            told = json.loads(found.read_text()) if found.exists() else {}
            return told.get("pid") == self.process.pid and (pending or not told.get("pending"))

        eventually(ready, "the emulator is ready")
        # Both are gone after the end, when they are wanted most.
        assert self.endpoint and self.run_id

    def call(
        self, function: str, body: bytes | str = b"", *, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, Mapping[str, str]]:
        """InvokeFunction: status, body, headers with lower-case names."""
        return self.http("POST", f"/2023-03-30/functions/{function}/invocations", body, headers)

    def http(
        self, method: str, path: str, body: bytes | str = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, Mapping[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body or None, dict(headers or {}))
            response = connection.getresponse()
            heads = {name.lower(): value for name, value in response.getheaders()}
            return response.status, response.read().decode("utf-8", "replace"), heads

    def events(self) -> list[dict[str, Any]]:
        """What `--json` printed until now; a line that is being written is left for the next look."""
        return [json.loads(line) for line in self.out.split("\n")[:-1] if line.strip()]

    def until(self, wanted: Callable[[dict[str, Any]], bool], count: int = 1) -> list[dict[str, Any]]:
        """Wait for `count` events of the stream, past or to come, that are wanted."""

        def look() -> list[dict[str, Any]]:
            found = [event for event in self.events() if wanted(event)]
            assert len(found) >= count or self.process.poll() is None, f"it ended: {self.out}{self.err}"
            return found if len(found) >= count else []

        return eventually(look, f"{count} events")

    def until_state(self, state: str, count: int = 1, function: str = "") -> list[dict[str, Any]]:
        """Wait until instances went into `state` this many times."""
        return self.until(
            lambda e: e["kind"] == "instance_moved" and e["after"] == state and function in ("", e["function"]), count
        )

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def until_said(self, text: str) -> None:
        eventually(lambda: text in self.err, lambda: f"{text!r} on stderr, which is {self.err!r}")

    def ended(self) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(PATIENCE_SECONDS)

    def stop(self) -> int:
        """End it in good order."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def clear_away(self) -> None:
        """Whatever the test did, nothing outlives it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE_SECONDS)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_SECONDS)

    def processes(self) -> dict[int, str]:
        """What it started and what that started, the emulator itself left out: pid to command line.

        Functions are known by the mark in their environment, walls and helpers by the run's id, there or on their
        command line, or the project's folder there; all are looked for among every process of the machine.
        """
        mark, words = self.workshop.mark.encode(), (self.run_id.encode(), str(self.workshop.root).encode())
        owned = (mark, f"FCLOCAL_RUN={self.run_id}/".encode())
        found = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit() or int(folder.name) in (os.getpid(), self.process.pid):
                continue
            with contextlib.suppress(OSError):
                line, environ = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
                if any(it in environ for it in owned) or any(word in line for word in words):
                    found[int(folder.name)] = line.replace(b"\0", b" ").decode("utf-8", "replace")
        return found

    def control_groups(self) -> list[Path]:
        """Folders of this run in every cgroup tree."""
        return [
            Path(folder, name)
            for folder, names, _ in os.walk("/sys/fs/cgroup")
            for name in names
            if self.run_id in name
        ]

    def folders(self) -> list[Path]:
        """Folders of this run: of its instances beside the project, of its sockets elsewhere."""
        owner = (self.workshop.state / "run").stat().st_uid
        bases = [self.workshop.state / "run", Path("/tmp") / f"fclocal-{owner}"]
        if runtime := self.workshop.environ().get("XDG_RUNTIME_DIR"):
            bases.append(Path(runtime) / "fclocal")
        return [base / self.run_id for base in bases if (base / self.run_id).exists()]

    def assert_nothing_left(self) -> None:
        """After an end in any order: no process, group, folder, socket; and nobody finds the emulator any more."""
        assert self.processes() == {}
        assert self.control_groups() == []
        assert self.folders() == []
        assert not self.workshop.endpoint_file.exists()
        with contextlib.closing(socket.socket()) as sock:
            assert sock.connect_ex(("127.0.0.1", self.port)) != 0, "the port still answers"


@functools.cache
def why_no_rung(rung: str, command: tuple[str, ...]) -> str:
    """Why this user does not have these walls here, in fclocal's own words; empty where they work."""
    argv = [*command, "doctor", "--json", "--walls", rung, "--port", "0"]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        environ = Workshop(Path(folder)).environ()
        done = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert findings, done.stderr
    refused = ("finding", "walls", "none")
    return "; ".join(f["detail"] for f in findings if (f["kind"], f["topic"], f.get("state")) == refused)


def need_rung(rung: str, command: tuple[str, ...] = COMMAND) -> None:
    if reason := why_no_rung(rung, command):
        pytest.skip(reason)


def as_ordinary_user() -> tuple[str, ...]:
    """The command as a user without any right, for whom it needs a Python that everybody can reach. May skip."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        pytest.skip("only root can become another user, by setpriv; this user's run is the same")
    become = (setpriv, f"--reuid={NOBODY_IN_PARTICULAR}", f"--regid={NOBODY_IN_PARTICULAR}", "--clear-groups")
    for python in (sys.executable, "/usr/bin/python3"):
        command = (*become, "env", f"PYTHONPATH={PYTHONPATH}", python, "-m", "emulator")
        if (
            subprocess.run([*command, "--version"], cwd="/", capture_output=True, timeout=PATIENCE_SECONDS).returncode
            == 0
        ):
            return command
    pytest.skip("an ordinary user can not reach a Python of 3.11 or later with this source tree and its libraries")


class Meeting:
    """A place where functions report and wait: each connects, says a line, and goes on when it is let go."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._server.settimeout(PATIENCE_SECONDS)
        self._there: list[socket.socket] = []

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    def arrived(self) -> str:
        """Wait for the next one; what it says."""
        sock, _ = self._server.accept()
        sock.settimeout(PATIENCE_SECONDS)
        self._there.append(sock)
        return sock.makefile().readline().strip()

    def let_go(self, count: int = 1) -> None:
        """The first that came may go on."""
        for sock in self._there[:count]:
            sock.sendall(b"go\n")
            sock.close()
        del self._there[:count]

    def close(self) -> None:
        for sock in self._there:
            sock.close()
        self._server.close()


# For handlers: `meet(port, "who")` comes back when the test lets it go.
MEET = """
import socket

def meet(port, who=""):
    with socket.create_connection(("127.0.0.1", int(port))) as sock:
        sock.sendall((who + "\\n").encode())
        return sock.makefile().readline()
"""
