"""Node.js programs that run already come in through one port, which all of a network have in common."""

from __future__ import annotations

from node_calls import stops_in_a_request
from node_project import NodeProject, node_port
from test_node_programs import ANSWERED, PROGRAM, SERVER

from tests.support.cdp import editor
from tests.support.command import need_rung

MANY = 4
TAKEN = "server#1: port 9229, on which an inspector opens for a moment, is taken by another program"
FAMILY = f"""
const {{ spawn }} = require('child_process');
for (let count = 1; count < {MANY}; count += 1) spawn(process.execPath, ['idle.js']);
require('./index');
"""
IDLE = "setInterval(() => {}, 1000);\n"
# No Node.js, so that it is not asked for anything itself.
HOLDER = """
import socket, sys
held = socket.create_server(("127.0.0.1", 9229))
sys.stdin.read()
"""
BESIDE = """
const holder = require('child_process').spawn('python3', ['holder.py'], { stdio: ['pipe', 'inherit', 'inherit'] });
const http = require('http');
http.createServer((request, response) => {
  if (request.url === '/free') {
    holder.on('exit', () => response.end('free'));
    holder.stdin.end();
  } else {
    response.end('here');  // @request
  }
}).listen(Number(process.env.FC_SERVER_PORT), '0.0.0.0');
"""


# Their own port, whoever has that of this machine.
APART = ("--walls", "bwrap", "--network", "none", "--no-freeze")


def test_processes_that_are_all_interrupted_at_once_all_come_in(node: NodeProject) -> None:
    need_rung("bwrap")
    node.write(SERVER, server={**PROGRAM, "customRuntimeConfig": {"command": ["node", "family.js"], "port": 9000}})
    node.workshop.write({"code/family.js": FAMILY, "code/idle.js": IDLE})
    with node.workshop.started(*APART) as running:
        assert running.call("server")[0] == ANSWERED
        with editor(node_port(running)) as attached:
            names = {attached.process().name.split(" (")[0] for _ in range(MANY)}
    assert names <= {"server#1", "server#1 idle.js", "server#1 family.js"} and len(names) > 1


def test_a_port_that_another_program_keeps_is_told_and_tried_again_for_the_next_editor(node: NodeProject) -> None:
    need_rung("bwrap")
    node.write(BESIDE, server=PROGRAM)
    node.workshop.write({"code/holder.py": HOLDER})
    with node.workshop.started(*APART, "--json") as running:
        assert running.call("server")[1] == "here"
        with editor(node_port(running)):
            running.until(lambda event: event["kind"] == "notice" and TAKEN in event["message"])
        assert running.http("GET", "/free", headers={"Host": "server.localhost"})[1] == "free"
        with editor(node_port(running)) as attached:
            stops_in_a_request(attached.process(), node, running)
