"""Breakpoints in containers of an engine on another kernel, which hands on to 127.0.0.1 what they send to its host."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_project import node_port

from emulator.sandbox.listeners import listening
from tests.support.cdp import editor as node_editor
from tests.support.command import Running, Workshop, eventually
from tests.support.container_project import ContainerProject
from tests.support.dap_client import attached
from tests.support.debug_project import calls
from tests.support.engine import bridge_address, needs_engine
from tests.support.images import registry_with_python
from tests.support.relay import handed_on, relayed

DOCKER = Path("/var/run/docker.sock")
PROGRAM = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

READY = True  # @module


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        answer = b"by a program"  # @handler
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


ThreadingHTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Handler).serve_forever()
"""
BUILTIN = """
READY = True  # @module


def handler(event, context):
    text = event.decode()  # @handler
    return text
"""
NODE = """
const http = require('http');
http.createServer((request, response) => {
  const text = 'hello';  // @request
  response.end(text);
}).listen(Number(process.env.FC_SERVER_PORT), '0.0.0.0');
"""

pytestmark = [needs_engine, pytest.mark.skipif(not DOCKER.exists(), reason=f"no engine listens on {DOCKER}")]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerProject]:
    made = ContainerProject(Workshop(tmp_path_factory.mktemp("apart")))
    made.python("web", PROGRAM)
    made.node("node", NODE)
    made.builtin("builtin", BUILTIN, runtime="python3.10")
    made.builtin("first", BUILTIN, runtime="python3.10")
    made.save()
    yield made
    made.remove_images()


@pytest.fixture(scope="module")
def running(project: ContainerProject) -> Iterator[Running]:
    options = ("--walls", "container", "--image-registry", registry_with_python(), "--json")
    with relayed(DOCKER) as address, contextlib.ExitStack() as stack:
        started = stack.enter_context(project.workshop.started(*options, env={"DOCKER_HOST": address}))
        # It listens for instances from the first of them on, which goes without a debugger.
        assert started.call("first", "x")[:2] == (200, "x")
        [port] = eventually(lambda: doors(started), "a port for instances")
        stack.enter_context(handed_on(bridge_address(), port))
        yield started


def doors(running: Running) -> list[int]:
    """Ports of the emulator beside those that it tells of."""
    known = {int(running.endpoint["port"]), int(running.endpoint["debug_port"]), node_port(running)}
    return [it.port for it in listening([running.process.pid]) if it.loopback and it.port not in known]


def line(file: Path, mark: str) -> int:
    return next(number for number, text in enumerate(file.read_text().splitlines(), 1) if text.endswith(f"@{mark}"))


@pytest.mark.parametrize(
    ("function", "name", "answer"), [("web", "app.py", "by a program"), ("builtin", "index.py", "x")]
)
def test_python_stops_from_its_first_line_on(
    project: ContainerProject, running: Running, function: str, name: str, answer: str
) -> None:
    file = project.file(function, name)
    marks = ("module", "handler")
    with (
        calls(running) as invoke,
        attached(int(running.endpoint["debug_port"]), {str(file): [line(file, mark) for mark in marks]}) as editor,
    ):
        answering = invoke.begin(function, "x")
        for mark in marks:
            stop = editor.stopped()
            assert (stop.path, stop.line) == (str(file), line(file, mark))
            stop.go()
        assert answering.result() == (200, answer)


def test_an_editor_comes_to_node_that_runs(project: ContainerProject, running: Running) -> None:
    file = project.file("node", "app.js")
    with calls(running) as invoke, node_editor(node_port(running)) as editor:
        answering = invoke.begin("node")
        process = editor.process()
        process.begin((file, line(file, "request")))
        stop = process.stopped()
        assert (stop.path, stop.line) == (str(file), line(file, "request"))
        process.resume()
        assert answering.result() == (200, "hello")
