"""Calls that wait at breakpoints, and the processes that they wait for."""

from __future__ import annotations

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from node_project import NodeProject

from tests.support.cdp import Process
from tests.support.command import Running, eventually


class Caller:
    """Calls that wait at breakpoints, each in a thread."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._pool = ThreadPoolExecutor(8)

    def __call__(self, function: str, body: str = "") -> Future[tuple[int, str, Any]]:
        return self._pool.submit(self._running.call, function, body)


def stops_in_a_request(process: Process, project: NodeProject, running: Running) -> None:
    """At the line that is called `request`; and its caller has the answer when it goes on."""
    process.begin(*project.at("request"))
    answer = Caller(running)("server")
    assert process.stopped().line == project.line("request")
    process.resume()
    assert answer.result()[0] == 200


# What a stopped handler is asked, and `process_id` wants to know.
INSTANCE = "process.env.FC_INSTANCE_ID"


def process_id(running: Running, instance: str) -> int:
    """The process of Node.js, as the host numbers it, of the instance that calls itself so."""

    def look() -> int | None:
        for pid in running.processes():
            with contextlib.suppress(OSError):
                folder = Path(f"/proc/{pid}")
                is_ours = f"FC_INSTANCE_ID={instance}\0".encode() in (folder / "environ").read_bytes()
                if is_ours and (folder / "comm").read_text().startswith("node"):
                    return pid
        return None

    return eventually(look, "the process of the instance")
