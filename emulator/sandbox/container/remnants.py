"""Containers and volumes whose owner is gone, ended and removed by the engine's plain HTTP: only the standard library.

The reaper has nothing else, and a start without containers should not load an engine's client to look for them.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from urllib.parse import quote, urlsplit

RUN_LABEL = "fclocal.run"
_PATIENCE_SECONDS = 30.0

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def remove_of_run(engine: str, run: str) -> int:
    """What an emulator's run left in the engine that listens on this unix socket, or at `tcp://…`; how many it were.

    Raises `OSError` where the engine does not answer.
    """
    wanted = quote(json.dumps({"label": [f"{RUN_LABEL}={run}"]}))
    containers = [str(found["Id"]) for found in _ask(engine, "GET", f"/containers/json?all=1&filters={wanted}")]
    for container in containers:
        remove_container(engine, container)
    volumes = _ask(engine, "GET", f"/volumes?filters={wanted}")["Volumes"] or []
    for volume in volumes:
        _ask(engine, "DELETE", f"/volumes/{volume['Name']}")
    return len(containers) + len(volumes)


def remove_container(engine: str, container: str) -> None:
    """With its volumes, frozen or not. Raises `OSError`."""
    state = (_ask(engine, "GET", f"/containers/{container}/json") or {}).get("State", {})
    if state.get("Paused"):
        _ask(engine, "POST", f"/containers/{container}/unpause")
    if _is_near(engine):
        thaw(int(state.get("Pid", 0)))
    _ask(engine, "DELETE", f"/containers/{container}?force=1&v=1")


def _is_near(engine: str) -> bool:
    """Whether its processes are ours, too, see `engine.Engine.is_near`."""
    return engine.startswith("/") and (_ask(engine, "GET", "/info") or {}).get("KernelVersion") == os.uname().release


def thaw(pid: int) -> None:
    """The engine hangs on what was frozen behind its back, where that is the freezer of control groups v1."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cgroup") as groups:  # noqa: PTH123
        for line in groups:
            _, names, path = line.rstrip("\n").split(":", 2)
            if names == "freezer":
                switch = os.open(f"/sys/fs/cgroup/freezer{path}/freezer.state", os.O_WRONLY)
                os.write(switch, b"THAWED")
                os.close(switch)


def _ask(engine: str, method: str, path: str) -> Any:
    """The engine's answer; None for none, or where what was asked about is gone. Raises `OSError`."""
    connection = _connection(engine)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        text = answer.read()
        return json.loads(text) if text and answer.status < 300 else None
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


def _connection(engine: str) -> http.client.HTTPConnection:
    if engine.startswith("/"):
        return _Connection(engine)
    where = urlsplit(engine)
    return http.client.HTTPConnection(where.hostname or "127.0.0.1", where.port, timeout=_PATIENCE_SECONDS)


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_PATIENCE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
