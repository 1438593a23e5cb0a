"""(c) Google's functions-framework for Python: one process, gunicorn with threads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.peers import PeerStore
from bench.servers.base import Launch

PACKAGE = "functions-framework"
ECHO = "def handler(request):\n    return request.get_data()\n"


@dataclass(frozen=True, slots=True)
class FunctionsFramework:
    """As its own command starts it."""

    store: PeerStore
    name: str = PACKAGE
    title: str = "functions-framework (c)"

    def prepare(self) -> str:
        return self.store.install_python([PACKAGE])

    def launch(self, folder: Path, port: int) -> Launch:
        (folder / "main.py").write_text(ECHO, encoding="utf-8")
        program = str(self.store.python.with_name(PACKAGE))
        return Launch((program, "--target", "handler", "--host", "127.0.0.1", "--port", str(port)), "/", folder)
