"""The real js-debug, VS Code's debugger for Node.js, where it can be found: as VS Code uses it, without VS Code."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import PATIENCE_SECONDS, ROOT
from tests.support.dap_client import DapClient, Message

HOST = Path(__file__).with_name("js_debug_host.js")
# `make e2e-js-debug` puts it into the first, `make e2e-vscode` into the second; every VS Code has it in its extensions.
NAME = "ms-vscode.js-debug"
VARIABLE = "FCLOCAL_TEST_JS_DEBUG"
PLACES = (
    ROOT / "build" / NAME,
    ROOT / "build" / "vscode" / "node_modules" / "code-server" / "lib" / "vscode" / "extensions" / NAME,
    Path("/usr/share/code/resources/app/extensions", NAME),
    Path("/usr/lib/code-server/lib/vscode/extensions", NAME),
)


def js_debug() -> Path:
    """The extension's folder; skips the test where there is none."""
    named = os.environ.get(VARIABLE)
    for place in [Path(named)] if named else PLACES:
        if (place / "src" / "extension.js").exists():
            return place
    pytest.skip(f"js-debug is not here: `make e2e-js-debug` fetches it; or {VARIABLE} names the folder of {NAME}")


class Session(DapClient):
    """One of js-debug's sessions: the root, or a process."""

    def __init__(self, name: str, address: str, configuration: Message) -> None:
        self.name = name
        self._configuration = configuration
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_SECONDS)
        self._socket.connect(address)
        self._buffer = b""
        self._numbers = itertools.count(1)
        self._answers: dict[int, Message] = {}
        self.events: list[Message] = []

    def begin(
        self, path: Path, breakpoints: Sequence[int | Message] = (), exceptions: Sequence[str] = ()
    ) -> list[Message]:
        """As VS Code begins one; what was told of the breakpoints."""
        self.initialize()
        attaching = self.send(self._configuration["request"], self._configuration)
        self.event("initialized")
        shown = self.set_breakpoints(str(path), *breakpoints)
        self.ask("setExceptionBreakpoints", filters=list(exceptions))
        self.ask("configurationDone")
        self.answer(attaching)
        return shown


class JsDebug:
    """The debugger's process; each session that begins is told by `session`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._sessions: list[Session] = []

    def start(self, **configuration: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(configuration) + "\n")
        self._process.stdin.flush()

    def session(self) -> Session:
        """The next one, which has not begun yet."""
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        session = Session(told["name"], told["socket"], told["configuration"])
        self._sessions.append(session)
        return session

    def close(self) -> None:
        for session in self._sessions:
            session.crash()


@contextlib.contextmanager
def attached_js_debug(port: int, folder: Path) -> Iterator[JsDebug]:
    """Attached to the port with what `fclocal ide vscode` writes, and begun: sessions of processes follow."""
    with (
        tempfile.TemporaryDirectory() as sockets,  # it leaves some behind
        subprocess.Popen(
            ["node", str(HOST), str(js_debug())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": sockets},
        ) as process,
    ):
        debugger = JsDebug(process)
        try:
            debugger.start(
                type="pwa-node", request="attach", name="root", address="127.0.0.1", port=port, restart=True,
                autoAttachChildProcesses=False, skipFiles=["<node_internals>/**"], cwd=str(folder),
                __workspaceFolder=str(folder), rootPath=str(folder),
            )  # fmt: skip
            # The session that was asked for, and the root target, which runs no code.
            for _ in range(2):
                debugger.session().begin(folder / "index.js")
            yield debugger
        finally:
            debugger.close()
            process.kill()
