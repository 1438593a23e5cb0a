"""What is paid for besides requests: instances that are kept, sessions, and cards."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.support.command import Running, Workshop, eventually, free_port
from tests.support.gpu import require_compiler

HANDLER = "def handler(event, context):\n    return 'done'\n"
SERVER = """
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Handler).serve_forever()
"""


def cost(workshop: Workshop) -> dict[str, Any]:
    done = workshop.run("cost", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_provisioned_instance_is_idle_and_paid_for_also_in_hours_that_are_skipped(workshop: Workshop):
    workshop.project(HANDLER, hello={"memorySize": 1024, "cpu": 1, "provisionConfig": {"defaultTarget": 1}})
    with workshop.started("--json") as running:
        running.until_state("idle")
        running.call("hello")
        before = cost(workshop)["total"]
        assert before["calls"] == 1 and before["activeSeconds"] < 60
        assert workshop.run("clock", "advance", "2h").returncode == 0
        after = cost(workshop)["total"]
        assert 7200 <= after["idleSeconds"] - before["idleSeconds"] < 7200 + 600
        # 1 GB at 0.15, no cores, no invocation
        grown = float(after["parts"]["memory_idle"]) - float(before["parts"]["memory_idle"])
        assert round(grown, 6) == round((after["idleSeconds"] - before["idleSeconds"]) * 0.15, 6)
        assert len(cost(workshop)["functions"]["hello"]["hours"]) >= 3


def test_a_session_is_told_from_others(workshop: Workshop):
    port = free_port()
    session = {
        "sessionAffinity": "HEADER_FIELD",
        "sessionAffinityConfig": json.dumps({"affinityHeaderFieldName": "x-my-session"}),
    }
    workshop.project(
        "",
        web={
            "runtime": "custom.debian12",
            "environmentVariables": {"FC_SERVER_PORT": str(port)},
            "customRuntimeConfig": {"command": ["python3", "server.py"], "port": port},
            **session,
        },
    )
    workshop.write({"code/server.py": SERVER})
    with workshop.started() as running:
        for name in ("one", "two", "one"):
            status, text, _ = running.call("web", headers={"x-my-session": name})
            assert status == 200, text
        found = cost(workshop)
        assert {name: it["calls"] for name, it in found["sessions"].items()} == {"one": 2, "two": 1}
        assert [it["sessionId"] for it in found["requests"]] == ["one", "two", "one"]
        shown = workshop.run("cost", "--by", "session").stdout.splitlines()
        assert [line.split()[1:3] for line in shown[1:3]] == [["two", "1"], ["one", "2"]]


@pytest.mark.isolation
def test_a_card_is_paid_for_by_the_second(workshop: Workshop):
    require_compiler()
    gpu = {"gpuConfig": {"gpuType": "fc.gpu.tesla.1", "gpuMemorySize": 16384}, "cpu": 4, "memorySize": 16384}
    workshop.project(HANDLER, hello=gpu)
    with workshop.started("--gpu", "fake") as running:
        for _ in range(2):
            running.call("hello")
        total = cost(workshop)["total"]
        seconds = total["activeSeconds"]
        assert seconds >= 2 and seconds == int(seconds)
        assert {name: Decimal(part) for name, part in total["parts"].items() if Decimal(part)} == {
            "vcpu": 4 * int(seconds),
            "memory": 16 * int(seconds) * Decimal("0.15"),
            "gpu": 16 * int(seconds) * Decimal("2.1"),
            "invocations": 2 * Decimal("0.0075"),
        }
        assert gpu_gauge(running)


def gpu_gauge(running: Running) -> bool:
    """Of a function with a card, and of no other."""
    return bool(eventually(lambda: "fclocal_gpu_memory_bytes{" in running.http("GET", "/_metrics")[1], "the gauge"))
