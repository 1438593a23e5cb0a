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
      memorySize: {memory_mb}
      diskSize: 512
      timeout: 60
"""
LAYER = "packages"
LAYERS = f"      layers: ['acs:fc:cn-hangzhou:1:layers/{LAYER}/versions/1']\n"


@dataclass(frozen=True, slots=True)
class Product:
    """`fclocal start` as a user starts it; `flags` are the exception, and named in the table.

    `layer` is a folder that the functions have in /opt, `options` the text of `.fclocal.yaml`.
    """

    name: str = "fclocal"
    title: str = "fclocal"
    flags: tuple[str, ...] = ()
    handler: str = ECHO
    functions: tuple[str, ...] = ("echo",)
    memory_mb: int = 1024
    layer: Path | None = None
    options: str = ""
    env: Mapping[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))

    def prepare(self) -> str:
        return f"fclocal {version('fclocal')}, Python {platform.python_version()}"

    def launch(self, folder: Path, port: int) -> Launch:
        code = folder / "code"
        code.mkdir()
        (code / "index.py").write_text(self.handler, encoding="utf-8")
        (folder / "s.yaml").write_text(HEAD + "".join(map(self._function, self.functions)), encoding="utf-8")
        if self.layer is not None:
            layers = folder / ".fclocal" / "layers"
            layers.mkdir(parents=True)
            (layers / LAYER).symlink_to(self.layer)
        if self.options:
            (folder / ".fclocal.yaml").write_text(self.options, encoding="utf-8")
        argv = (sys.executable, "-m", "emulator", "start", "--port", str(port), *self.flags)
        return Launch(argv, invoke_path(self.functions[0]), folder, self.env)

    def _function(self, name: str) -> str:
        text = FUNCTION.format(name=name, memory_mb=self.memory_mb)
        return text if self.layer is None else text + LAYERS


def invoke_path(function: str) -> str:
    """InvokeFunction of the API 2023-03-30."""
    return f"/2023-03-30/functions/{function}/invocations"


def endpoint_file(folder: Path) -> Path:
    """The file that is there when everything answers."""
    return folder / ".fclocal" / "endpoint.json"
