"""Node.js programs of custom runtimes under a debugger: whatever starts them, each process comes in by itself."""

from __future__ import annotations

import pytest
from node_calls import Caller, stops_in_a_request
from node_project import NodeProject, node_port

from tests.support.cdp import editor
from tests.support.command import RUNGS, need_rung

SERVER = """
const http = require('http');
const greeting = 'hello';  // @module
const server = http.createServer((request, response) => {
  const path = request.url;  // @request
  response.end(greeting + ' ' + path + ' ' + JSON.stringify(process.env.NODE_OPTIONS || ''));
});
server.listen(Number(process.env.FC_SERVER_PORT), '0.0.0.0');
""".lstrip()
PARENT = """
require('child_process').spawn(process.execPath, ['index.js'], { stdio: 'inherit' });
"""
PROGRAM = {
    "runtime": "custom.debian10",
    "customRuntimeConfig": {"command": ["node", "index.js"], "port": 9000},
    "triggers": [
        {
            "triggerName": "http",
            "triggerType": "http",
            "triggerConfig": {"authType": "anonymous", "methods": ["GET"]},
        }
    ],
}
ANSWERED = 200


@pytest.mark.parametrize("rung", RUNGS)
def test_a_program_stops_at_its_first_line_and_in_a_request(node: NodeProject, rung: str) -> None:
    need_rung(rung)
    node.write(SERVER, server=PROGRAM)
    with node.workshop.started("--walls", rung) as running, editor(node_port(running)) as attached:
        answer = Caller(running)("server")
        process = attached.process()
        assert process.name == "server#1"
        process.begin(*node.at("module", "request"))
        stop = process.stopped()
        assert (stop.path, stop.line) == (str(node.file), node.line("module"))
        process.resume()
        assert process.stopped().line == node.line("request")
        process.resume()
        assert answer.result()[0] == ANSWERED


def test_a_program_that_another_one_starts_comes_in_too(node: NodeProject) -> None:
    node.write(SERVER, server={**PROGRAM, "customRuntimeConfig": {"command": ["node", "parent.js"], "port": 9000}})
    node.workshop.write({"code/parent.js": PARENT})
    with node.workshop.started() as running, editor(node_port(running)) as attached:
        answer = Caller(running)("server")
        parent = attached.process()
        parent.begin()
        child = attached.process()
        assert (parent.name, child.name.split(" (")[0]) == ("server#1", "server#1 index.js")
        child.begin(*node.at("request"))
        assert child.stopped().line == node.line("request")
        child.resume()
        assert answer.result()[0] == ANSWERED


def test_without_an_editor_a_program_is_given_nothing(node: NodeProject) -> None:
    node.write(SERVER, server=PROGRAM)
    with node.workshop.started() as running:
        assert running.call("server")[1].endswith(' ""')


@pytest.mark.parametrize("rung", RUNGS)
def test_an_editor_comes_into_a_program_that_runs(node: NodeProject, rung: str) -> None:
    need_rung(rung)
    node.write(SERVER, server=PROGRAM)
    with node.workshop.started("--walls", rung, "--no-freeze") as running:
        assert running.call("server")[0] == ANSWERED
        with editor(node_port(running)) as attached:
            process = attached.process()
            assert process.name == "server#1"
            stops_in_a_request(process, node, running)


def test_with_debug_an_editor_may_come_later(node: NodeProject) -> None:
    node.write(SERVER, server=PROGRAM)
    with node.workshop.started("--debug", "--no-freeze") as running:
        assert running.call("server")[0] == ANSWERED
        with editor(node_port(running)) as attached:
            stops_in_a_request(attached.process(), node, running)
        # And again, since its inspector stays.
        with editor(node_port(running)) as attached:
            assert attached.process().name == "server#1"
