"""The product: `fclocal start` as a process of its own, over a project made for the run."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from bench.processes import ROOT
from bench.servers.base import Launch

ECHO = "def handler(event, context):\n    return event\n"
HEAD = "edition: 3.0.0\nname: bench\naccess: default\nresources:\n"
# Installed packages have byte code, the yardstick's among them. A checkout has it from its second start on, unless this
# variable, which many containers set, makes Python compile it at every start; empty counts as not set.
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}
# instanceConcurrency is left at FC's default of 1: as many instances as calls in flight. One CPU, so that the limits
# are on but a CPU share does not hide what the emulator itself costs.
FUNCTION = """\
  {name}:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: {name}
      runtime: python3.10
      handler: index.handler
      code: ./code
      cpu: 1
      memorySize: 1024
      diskSize: 512
      timeout: 60
"""


@dataclass(frozen=True, slots=True)
class Product:
    """`fclocal start` as a user starts it; `flags` are the exception, and named in the table."""

    name: str = "fclocal"
    title: str = "fclocal"
    flags: tuple[str, ...] = ()
    handler: str = ECHO
    functions: tuple[str, ...] = ("echo",)
    env: Mapping[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))

    def prepare(self) -> str:
        return f"fclocal {version('fclocal')}, Python {platform.python_version()}"

    def launch(self, folder: Path, port: int) -> Launch:
        code = folder / "code"
        code.mkdir()
        (code / "index.py").write_text(self.handler, encoding="utf-8")
        functions = "".join(FUNCTION.format(name=name) for name in self.functions)
        (folder / "s.yaml").write_text(HEAD + functions, encoding="utf-8")
        argv = (sys.executable, "-m", "emulator", "start", "--port", str(port), *self.flags)
        return Launch(argv, invoke_path(self.functions[0]), folder, self.env)


def invoke_path(function: str) -> str:
    """InvokeFunction of the API 2023-03-30."""
    return f"/2023-03-30/functions/{function}/invocations"


def endpoint_file(folder: Path) -> Path:
    """The file that is there when everything answers."""
    return folder / ".fclocal" / "endpoint.json"
