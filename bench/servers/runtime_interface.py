"""(b) awslambdaric under the AWS runtime interface emulator, which aws-sam-cli carries; no container."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from bench.peers import Absent, PeerStore
from bench.servers.base import Launch, free_port

ECHO = "def handler(event, context):\n    return event\n"
PACKAGES = ("awslambdaric", "aws-sam-cli")
PROGRAMS = "lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}"


@dataclass(frozen=True, slots=True)
class RuntimeInterfaceEmulator:
    """The emulator beside one runtime process, as in Lambda's base images."""

    store: PeerStore
    name: str = "awslambdaric"
    title: str = "awslambdaric + RIE (b)"

    def prepare(self) -> str:
        versions = self.store.install_python(PACKAGES)
        self._program()
        return versions

    def launch(self, folder: Path, port: int) -> Launch:
        (folder / "app.py").write_text(ECHO, encoding="utf-8")
        where = ("--runtime-interface-emulator-address", f"127.0.0.1:{port}")
        api = ("--runtime-api-address", f"127.0.0.1:{free_port()}")
        runtime = (str(self.store.python), "-m", "awslambdaric", "app.handler")
        argv = (str(self._program()), "--log-level", "error", *where, *api, *runtime)
        return Launch(argv, "/2015-03-31/functions/function/invocations", folder, {"LAMBDA_TASK_ROOT": str(folder)})

    def _program(self) -> Path:
        machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
        found = sorted(self.store.python.parents[1].glob(PROGRAMS.format(machine=machine)))
        if not found:
            raise Absent(f"aws-sam-cli carries no runtime interface emulator for {platform.machine()}")
        return found[0]
