"""Projects to be debugged, on every Python that this machine has and that can be: one function a folder."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import re
import shutil
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from emulator.runtime.interpreters import Interpreters
from tests.support.command import ROOT, Running, Workshop, eventually

# FC has no 3.11 and no 3.13, so these runtimes are made up of the same bootstrap.
CANDIDATES = ("3.9", "3.10", "3.11", "3.12", "3.13")
SHORT_SECONDS = 1

RUNTIME_TOML = """
kind = "bootstrap"
search_paths = true
[names]
"python{version}" = "{version}"
[debian]
"python{version}" = 11
[interpreter]
command = "python"
lang_dir = "/var/fc/lang/{{id}}/bin"
links = ["python{{version}}", "python3", "python"]
argv = ["{{interpreter}}", "-u", "{{home}}/bootstrap.py"]
[env]
LANG = "C.UTF-8"
"""


def pythons() -> list[str]:
    found = Interpreters(os.environ)
    return [version for version in CANDIDATES if (it := found.seek("python", version)) is not None and it.exact]


class DebugProject:
    """A workshop with functions, each in a folder of its own: `lines` finds what their comments mark."""

    def __init__(self, workshop: Workshop, version: str) -> None:
        self.workshop = workshop
        self.version = version
        self._props: dict[str, Mapping[str, Any]] = {}
        if version in ("3.11", "3.13"):
            home = workshop.root / "runtimes" / "python"
            shutil.copytree(ROOT / "runtimes" / "python", home, ignore=shutil.ignore_patterns("__pycache__"))
            (home / "runtime.toml").write_text(RUNTIME_TOML.format(version=version))

    @property
    def arguments(self) -> tuple[str, ...]:
        runtimes = self.workshop.root / "runtimes"
        return ("--runtimes-dir", str(runtimes)) if runtimes.exists() else ()

    def function(self, name: str, code: str, **props: Any) -> None:
        self.workshop.write({f"{name}/index.py": code})
        self._props[name] = {
            "region": "cn-hangzhou", "functionName": name, "runtime": f"python{self.version}", "memorySize": 512,
            "handler": "index.handler", "code": f"./{name}", "timeout": 30,
            "environmentVariables": {"E2E_MARK": self.workshop.mark}, **props,
        }  # fmt: skip
        resources = {key: {"component": "fc3", "props": value} for key, value in self._props.items()}
        project = {"edition": "3.0.0", "name": "debug", "access": "default", "resources": resources}
        self.workshop.write({"s.yaml": yaml.safe_dump(project, sort_keys=False)})

    def path(self, name: str) -> str:
        return str(self.workshop.root / name / "index.py")

    def line(self, name: str, mark: str) -> int:
        """The line with the comment `# @mark`."""
        lines = Path(self.path(name)).read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if re.search(rf"# @{mark}\b", line))

    def at(self, name: str, *marks: str) -> dict[str, list[int]]:
        """Breakpoints of one function, as `DapClient.attach` takes them."""
        return {self.path(name): [self.line(name, mark) for mark in marks]}


class Calls:
    """Invocations under way: an editor has to look at them before they can end."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._pool = concurrent.futures.ThreadPoolExecutor()

    def begin(self, function: str, body: str = "") -> concurrent.futures.Future[tuple[int, str]]:
        """Status and body, once there are any."""
        return self._pool.submit(lambda: self._running.call(function, body)[:2])

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def calls(running: Running) -> Iterator[Calls]:
    made = Calls(running)
    try:
        yield made
    finally:
        made.close()


def kill_instance(instance_id: str) -> None:
    """SIGKILL to the function's own process, wherever its walls have it."""
    wanted = f"FC_INSTANCE_ID={instance_id}".encode()

    def found() -> list[int]:
        folders = [folder for folder in Path("/proc").iterdir() if folder.name.isdigit()]
        return [int(folder.name) for folder in folders if _has(folder, wanted)]

    for pid in eventually(found, f"a process of {instance_id}"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _has(folder: Path, entry: bytes) -> bool:
    try:
        return entry in (folder / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
