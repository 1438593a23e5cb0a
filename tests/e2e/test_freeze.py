"""Freeze is real: what a function leaves running stands still while it is idle, and goes on after the thaw.

A background thread sends its count to the test after every step. Nothing arrives from an instance that is frozen,
however long one listens; what arrives after the thaw counts on from there.
"""

from __future__ import annotations

import contextlib
import socket

import pytest

from tests.support.command import PATIENCE_SECONDS, RUNGS, Running, Workshop, free_port, need_rung

# Long enough that a thread that still ran would be heard a hundred times; being too short could only hide a defect.
LISTEN_SECONDS = 1.0

COUNTING = """
import os, socket, threading, time

count = 0

def run():
    global count
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        count += 1
        sock.sendto(b"%d" % count, ("127.0.0.1", int(os.environ["LISTENER"])))
        time.sleep(0.005)

def one_more():
    seen = count
    while count == seen:
        time.sleep(0.001)
    return count

threading.Thread(target=run, daemon=True).start()
"""
EVENT = f"{COUNTING}\ndef handler(event, context):\n    return one_more()\n"
SERVER = f"""{COUNTING}
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"%d" % one_more()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

ThreadingHTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Answer).serve_forever()
"""
ANONYMOUS = {
    "triggerName": "http",
    "triggerType": "http",
    "triggerConfig": {"authType": "anonymous", "methods": ["GET"]},
}


class Counts:
    """Receives the counts."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self.port = self._sock.getsockname()[1]

    def waiting(self) -> list[int]:
        """All that has arrived and was not yet looked at."""
        found = []
        self._sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(int(self._sock.recv(64)))
        return found

    def next(self, seconds: float) -> int | None:
        """The next to arrive; None where none does."""
        self._sock.settimeout(seconds)
        try:
            return int(self._sock.recv(64))
        except TimeoutError:
            return None

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def counts():
    found = Counts()
    yield found
    found.close()


def event_function(workshop: Workshop, counts: Counts) -> None:
    workshop.project(EVENT, counter={"environmentVariables": {"LISTENER": str(counts.port)}})


def http_function(workshop: Workshop, counts: Counts) -> None:
    workshop.project(
        counter={
            "runtime": "custom.debian12",
            "handler": "not-used",
            "customRuntimeConfig": {"command": ["python3", "server.py"], "port": free_port()},
            "triggers": [ANONYMOUS],
            "environmentVariables": {"LISTENER": str(counts.port)},
        }
    )
    workshop.write({"code/server.py": SERVER})


def call_event(running: Running) -> int:
    status, body, _ = running.call("counter")
    assert status == 200, body
    return int(body)


def call_http(running: Running) -> int:
    status, body, _ = running.http("GET", "/", headers={"Host": f"counter.localhost:{running.port}"})
    assert status == 200, body
    return int(body)


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize(
    ("project", "call"), [(event_function, call_event), (http_function, call_http)], ids=["event", "http"]
)
def test_a_background_thread_stands_still_while_idle_and_goes_on_after_thaw(anybodys, counts, rung, project, call):
    workshop = anybodys
    need_rung(rung, workshop.command)
    project(workshop, counts)
    with workshop.started("--json", "--walls", rung) as running:
        last = 0
        for frozen in (1, 2, 3):
            assert call(running) > last, "it counts on, in the same process"
            running.until_state("frozen", count=frozen)
            last = max(counts.waiting())
            assert counts.next(LISTEN_SECONDS) is None, "a thread ran on in a frozen instance"
        starts = running.until(lambda e: e["kind"] == "invocation_started", count=3)
        assert [start["cold"] for start in starts] == [True, False, False]
        assert len({start["instance_id"] for start in starts}) == 1


def test_with_no_freeze_it_runs_on(workshop, counts):
    event_function(workshop, counts)
    with workshop.started("--json", "--no-freeze") as running:
        last = call_event(running)
        for _ in range(100):
            following = counts.next(PATIENCE_SECONDS)
            assert following is not None
        assert following > last
        assert not [e for e in running.events() if e.get("after") == "frozen"]
