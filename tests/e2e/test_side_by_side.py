"""Several instances of a custom runtime whose port is written into the program, at the same time."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.command import MEET, Meeting, Workshop, free_port, need_rung

COUNT = 3
# Says which network it is in to the test, which listens on the host's localhost, and answers when it is let go.
SERVER = f"""{MEET}
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        meet(os.environ["MEETING"], os.readlink("/proc/self/ns/net"))
        body = os.environ["FC_INSTANCE_ID"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer(("0.0.0.0", PORT), Answer).serve_forever()
"""


@pytest.fixture
def project(workshop: Workshop, meeting: Meeting) -> Workshop:
    port = free_port()
    workshop.project(
        web={
            "runtime": "custom.debian12",
            "handler": "not-used",
            "timeout": 100,
            "customRuntimeConfig": {"command": ["python3", "server.py"], "port": port},
            "environmentVariables": {"MEETING": str(meeting.port)},
        }
    )
    workshop.write({"code/server.py": SERVER.replace("PORT)", f"{port})")})
    return workshop


def need_private_networks(workshop: Workshop) -> None:
    findings = [json.loads(line) for line in workshop.run("doctor", "--json").stdout.splitlines()]
    found = [finding for finding in findings if finding["topic"] == "private network"]
    if not found or found[0]["state"] != "pasta":  # slirp4netns shows the host's localhost under another address
        pytest.skip(found[0]["detail"] if found else "no private networks here")


def test_each_has_the_port_in_a_network_of_its_own(project: Workshop, meeting: Meeting) -> None:
    need_rung("bwrap")
    need_private_networks(project)
    with project.started("--walls", "bwrap") as running, ThreadPoolExecutor(COUNT) as callers:
        answers = [callers.submit(running.call, "web", b"x") for _ in range(COUNT)]
        networks = {meeting.arrived() for _ in range(COUNT)}
        meeting.let_go(COUNT)
        assert {answer.result()[0] for answer in answers} == {200}
        assert len(networks) == len({answer.result()[1] for answer in answers}) == COUNT


@pytest.mark.parametrize("rung", ["landlock", "plain"])
def test_without_private_networks_one_serves_all_and_this_is_told_once(
    project: Workshop, meeting: Meeting, rung: str
) -> None:
    need_rung(rung)
    with (
        project.started("--walls", rung, "--queue-timeout", "100", "--json") as running,
        ThreadPoolExecutor(COUNT) as callers,
    ):
        answers = [callers.submit(running.call, "web", b"x") for _ in range(COUNT)]
        for _ in range(COUNT):
            meeting.arrived()
            meeting.let_go()
        assert {answer.result()[0] for answer in answers} == {200}
        assert len({answer.result()[1] for answer in answers}) == 1
        running.until(lambda event: "does not listen on the port" in str(event))
        running.stop()
        told = [event["message"] for event in running.events() if "does not listen on the port" in str(event)]
    assert len(told) == 1
    assert "is held by another instance" in told[0]
