"""Python programs of custom runtimes are debugged as functions are, behind a server that forks its workers too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Running, Workshop, free_port
from tests.support.dap_client import DapClient, attached
from tests.support.debug_project import Calls, DebugProject, calls

SERVER = """
import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

READY = True  # @module


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        prefix = "FCLOCAL_DEBUG"  # @handler
        seen = [name for name in os.environ if name.startswith(prefix)]
        body = json.dumps([seen, os.environ.get("PYTHONPATH"), os.environ.get("CHAINED")]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(server):
    server.serve_forever()  # @worker


server = ThreadingHTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Handler)
for _ in range(int(os.environ.get("WORKERS", "0"))):
    if os.fork() == 0:
        serve(server)
if "WORKERS" in os.environ:
    os.wait()
serve(server)
"""
CHAINED = "import os\nos.environ['CHAINED'] = 'yes'\n"


@pytest.fixture
def project(tmp_path: Path) -> DebugProject:
    made = DebugProject(Workshop(tmp_path), "")
    # Python 3.11, and 3.12, whose debugger watches in another way.
    for name, runtime, workers in (
        ("web", "custom.debian12", {}),
        ("forking", "custom.debian12", {"WORKERS": "1"}),
        ("newer", "custom.debian11", {}),
    ):
        made.function(
            name,
            SERVER,
            runtime=runtime,
            customRuntimeConfig={"command": ["python3", "index.py"], "port": free_port()},
            environmentVariables={"E2E_MARK": made.workshop.mark, **workers},
        )
        made.workshop.write({f"{name}/sitecustomize.py": CHAINED})
    return made


@pytest.fixture
def running(project: DebugProject) -> Iterator[Running]:
    with project.workshop.started("--json") as started:
        yield started


@pytest.fixture
def invoke(running: Running) -> Iterator[Calls]:
    with calls(running) as made:
        yield made


@pytest.fixture
def port(running: Running) -> int:
    return int(running.endpoint["debug_port"])


# --- the tests ---

UNSEEN = (200, json.dumps([[], "/code", "yes"]))


@pytest.mark.parametrize("function", ["web", "forking", "newer"])
def test_a_program_is_stopped_from_its_first_line_on(
    project: DebugProject, invoke: Calls, port: int, function: str
) -> None:
    with attached(port, project.at(function, "module", "handler")) as editor:
        answer = invoke.begin(function)
        for mark in ("module", "handler"):
            stop = editor.stopped()
            assert (stop.path, stop.line) == (project.path(function), project.line(function, mark))
            assert not any("Dummy" in name for name in editor.threads().values()), editor.threads()
            stop.go()
        assert answer.result() == UNSEEN


@pytest.mark.parametrize("function", ["web", "forking"])
def test_an_editor_can_attach_to_a_program_that_runs(
    project: DebugProject, running: Running, invoke: Calls, port: int, function: str
) -> None:
    assert invoke.begin(function).result() == UNSEEN
    with DapClient(port) as editor:
        editor.attach(project.at(function, "handler"))
        answer = invoke.begin(function)
        stop = editor.stopped()
        assert stop.line == project.line(function, "handler")
        stop.go()
        assert answer.result() == UNSEEN
        editor.disconnect()
