"""Starts any bootstrap as a real process on a listening socket and speaks raw HTTP/1.1 to it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from forked_process import ForkedProcess
from parked_process import ParkedProcess

SPAWNED, FORKED, PARKED = "spawned", "forked", "parked"
STARTS = {SPAWNED: subprocess.Popen, FORKED: ForkedProcess, PARKED: ParkedProcess}
# Families whose instances can be started ahead of time, from which version on, and how: docs/zygote.md.
AHEAD = (("python", (3, 8), FORKED), ("python", (), PARKED), ("nodejs", (), PARKED))
ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
DEADLINE_S = 30.0

Version = tuple[int, ...]


@dataclass(frozen=True)
class Family:
    """One row per runtime folder: its interpreters on this machine, and which of them may stand in for an id."""

    name: str
    interpreters: Callable[[], Mapping[Version, Path]]
    compatible: Callable[[Version, Version], bool]

    @property
    def home(self) -> Path:
        return ROOT / "runtimes" / self.name

    @property
    def handlers(self) -> Path:
        return HERE / "handlers" / self.name


@dataclass(frozen=True)
class Target:
    """A runtime id and the interpreter that it runs on here; `start` says how it comes to run."""

    family: Family
    runtime: str
    version: Version
    interpreter: Path
    start: str = SPAWNED

    def __str__(self) -> str:
        how = "" if self.start == SPAWNED else f"-{self.start}"
        return f"{self.runtime}-on-{dotted(self.version)}{how}"


def dotted(version: Version) -> str:
    return ".".join(map(str, version))


def parse_version(text: str) -> Version:
    return tuple(int(part) for part in re.findall(r"\d+", text))


def targets(family: Family) -> Iterator[Target]:
    """Every interpreter runs the newest id that is not newer; an id left over runs on the newest interpreter."""
    runtime_toml = family.home / "runtime.toml"
    if not runtime_toml.is_file():
        return
    names = tomllib.loads(runtime_toml.read_text("utf-8"))["names"]
    ids = {name: parse_version(version) for name, version in names.items()}
    found = dict(sorted(family.interpreters().items()))
    done: set[str] = set()
    for version, path in found.items():
        fitting = [name for name, wanted in ids.items() if wanted <= version and family.compatible(wanted, version)]
        if fitting:
            name = max(fitting, key=lambda name: ids[name])
            done.add(name)
            yield Target(family, name, version, path)
    for name, wanted in ids.items():
        fitting_versions = [version for version in found if family.compatible(wanted, version)]
        if name not in done and fitting_versions:
            yield Target(family, name, fitting_versions[-1], found[fitting_versions[-1]])


def ahead(found: Iterable[Target]) -> Iterator[Target]:
    """The oldest and the newest of those whose bootstrap can be a template, or can be parked."""
    for family, oldest, start in AHEAD:
        able = sorted(
            (it for it in found if it.family.name == family and it.version >= oldest), key=lambda it: it.version
        )
        for target in dict.fromkeys((*able[:1], *able[-1:])):
            yield replace(target, start=start)


def find_in_folders(pattern: str, *folders: Path) -> dict[Version, Path]:
    """Interpreters `<folder>/<any>/bin/<pattern>`, by the version that the middle folder's name gives."""
    found: dict[Version, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob(f"*/bin/{pattern}")):
            version = parse_version(path.parent.parent.name)
            if version and os.access(path, os.X_OK):
                found.setdefault(version[:2], path)
    return found


def in_path(*names: str) -> Iterator[Path]:
    for name in names:
        path = shutil.which(name)
        if path:
            yield Path(path)


def ask_version(path: Path) -> Version:
    """Major and minor version as the interpreter itself says; empty if it does not run."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_version(done.stdout or done.stderr)[:2]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool


class Connection:
    """A blocking HTTP/1.1 client that sends exactly what it is told."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE_S)
        self._socket.connect(address)
        self._buffer = b""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def finish_sending(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()

    def receive(self, head: bool = False) -> Answer | None:
        """The next answer, or None when the peer closed without one. `head`: it answers a HEAD request."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._fill():
                assert not self._buffer, f"half an answer: {self._buffer[:200]!r}"
                return None
        raw, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")
        assert re.fullmatch(r"HTTP/1\.1 \d{3} .*", first), first
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            key = name.lower()
            headers[key] = f"{headers[key]},{value.strip()}" if key in headers else value.strip()
        status = int(first.split(" ")[1])
        body = b"" if head or status in (204, 304) else self._body(headers)
        return Answer(status, headers, body, headers.get("connection") == "close")

    def at_end(self) -> bool:
        """True when the peer closes without another byte."""
        return not self._buffer and not self._fill()

    def _fill(self) -> bool:
        try:
            data = self._socket.recv(262144)
        except ConnectionResetError:
            return False
        self._buffer += data
        return bool(data)

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            assert self._fill(), f"the body ended {size - len(self._buffer)} bytes early"
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            assert self._fill(), "a chunked body ended early"
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            pieces = []
            while size := int(self._line(), 16):
                pieces.append(self._take(size))
                assert self._line() == b""
            assert self._line() == b""
            return b"".join(pieces)
        if "content-length" in headers:
            return self._take(int(headers["content-length"]))
        while self._fill():
            pass
        data, self._buffer = self._buffer, b""
        return data


@dataclass
class Bootstrap:
    """One running bootstrap. Use as a context manager: it leaves no process behind."""

    target: Target
    folder: Path  # a short, empty folder for the socket
    env: Mapping[str, str] = field(default_factory=dict)
    code: Path | None = None

    def __enter__(self) -> Bootstrap:
        self.address = str(self.folder / "w.sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.address)
        listener.listen(64)
        self._log_fd, write_end = os.pipe()
        os.set_blocking(self._log_fd, False)
        # Nobody reads while a request runs: what it writes must fit.
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 1 << 20)
        number = listener.fileno()
        self.process: Any = STARTS[self.target.start](
            self._argv(),
            stdin=subprocess.DEVNULL,
            stdout=write_end,
            stderr=write_end,
            cwd=self.code_path,
            env=self._environment(number),
            pass_fds=(number,),
            start_new_session=True,
        )
        os.close(write_end)
        listener.close()
        self._connections: list[Connection] = []
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._connections:
            connection.close()
        if self.process.returncode is None:  # else its number may be another group's by now
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE_S)
        os.close(self._log_fd)

    @property
    def code_path(self) -> Path:
        return self.code or self.target.family.handlers

    def connect(self) -> Connection:
        connection = Connection(self.address)
        self._connections.append(connection)
        return connection

    def log(self) -> list[str]:
        """The lines that were written and not yet read, without waiting: a log is complete at its answer."""
        data = b""
        while True:
            try:
                piece = os.read(self._log_fd, 1 << 20)
            except BlockingIOError:
                break
            if not piece:
                break
            data += piece
        return data.decode("utf-8", "replace").splitlines()

    def wait_for_line(self, pattern: str) -> list[str]:
        """The lines up to one that matches, which is waited for; fails when the process ends without it."""
        lines: list[str] = []
        while not any(re.search(pattern, line) for line in lines):
            assert select.select([self._log_fd], [], [], DEADLINE_S)[0], f"no line {pattern!r} in time: {lines}"
            more = self.log()
            assert more, f"the process ended without a line {pattern!r}: {lines}"
            lines += more
        return lines

    def _argv(self) -> list[str]:
        spec = tomllib.loads((self.target.family.home / "runtime.toml").read_text("utf-8"))
        places = {"interpreter": str(self.target.interpreter), "home": str(self.target.family.home)}
        places |= {"memory_mb": "512", "heap_mb": "460"}
        return [part.format(**places) for part in spec["interpreter"]["argv"]]

    def _environment(self, listener: int) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": "/tmp",
            "LANG": "C.UTF-8",
            "FCLOCAL_ENDPOINT": f"fd:{listener}",
            "FCLOCAL_RUNTIME": self.target.runtime,
            "FC_FUNC_CODE_PATH": str(self.code_path),
            "FC_FUNCTION_NAME": "shop",
            "FC_FUNCTION_HANDLER": "index.handler",
            "FC_FUNCTION_MEMORY_SIZE": "512",
            "FC_ACCOUNT_ID": "123456789",
            "FC_REGION": "cn-hangzhou",
            "FC_INSTANCE_ID": "c-00000000-00000000-000000000000",
            "FC_CUSTOM_LISTEN_PORT": "9000",
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "env-id",
            **self.env,
        }
