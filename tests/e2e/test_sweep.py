"""`fclocal sweep`: real functions in several sizes, measured, priced, and one of them chosen."""

from __future__ import annotations

import json
from typing import Any

from tests.support.command import Workshop, free_port

# Fails in instances with little memory, and else takes the same time in all: the larger one costs eight times as much.
HANDLER = """
import time

def handler(event, context):
    if int(context.function.memory) < 512:
        raise MemoryError("too small for me")
    time.sleep(0.3)
    return "done"
"""
# A program that serves many at once, each for a while
SERVER = """
import http.server, os, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        time.sleep(0.25)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Handler).serve_forever()
"""


def swept(workshop: Workshop, *args: str, code: int = 0) -> dict[str, Any]:
    done = workshop.run("sweep", *args, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_cheapest_size_that_works_and_keeps_what_must_hold(workshop: Workshop):
    workshop.project(HANDLER, hello={"memorySize": 4096, "cpu": 2})
    found = swept(workshop, "--memory", "256,512", "--cpu", "0.25,2", "--keep", "p95<60s", "-n", "2", "--rounds", "1")
    assert [(it["memory_mb"], it["cpu"], it["failed"]) for it in found["sizes"]] == [
        (256, 0.25, 3),
        (512, 0.25, 0),
        (4096, 2.0, 0),
    ]
    assert found["cheapest"] == {"memory_mb": 512, "cpu": 0.25, "concurrency": 1}
    assert {(it["memory_mb"], it["cpu"]) for it in found["left_out"]} == {(256, 2.0), (512, 2.0)}
    assert any("too small for me" in it for it in found["warnings"])
    small, own = found["sizes"][1:]
    for it in (small, own):
        assert it["calls"] == 3 and it["cold_ms"] > 0 and it["p50_ms"] > 0 and it["memory_used_mb"] > 1, it
    assert set(found["limits"]) == {"cpu", "memory"}


def test_nothing_keeps_what_can_not_hold(workshop: Workshop):
    workshop.project(HANDLER, hello={"memorySize": 512})
    done = workshop.run("sweep", "-n", "1", "--rounds", "1", "--keep", "p50<0.0001ms")
    assert done.returncode == 1 and "No size keeps p50 < 0.0001 ms" in done.stdout, done.stdout + done.stderr
    assert "too slow" in done.stdout
    refused = workshop.run("sweep", "--keep", "p95")
    assert refused.returncode == 2 and "p95<500ms" in refused.stderr
    assert workshop.run("sweep", "--memory", "much").returncode == 2


def test_sizes_are_not_held_to_the_cores_of_the_settings(workshop: Workshop):
    """Else all of them would be, or it would be refused, as here, where nothing holds them."""
    workshop.project("def handler(event, context):\n    return 'done'\n", hello={"memorySize": 512})
    workshop.write({".fclocal.yaml": "cpu: 0.1\nlimits: false\n"})
    assert swept(workshop, "-n", "1", "--rounds", "1", "--keep", "p95<60s")["cheapest"]["memory_mb"] == 512


def test_requests_that_share_an_instance_cost_less(workshop: Workshop):
    """Four at once wait together for what each would wait for alone."""
    port = free_port()
    workshop.project(
        "",
        web={
            "runtime": "custom.debian12",
            "environmentVariables": {"FC_SERVER_PORT": str(port)},
            "customRuntimeConfig": {"command": ["python3", "server.py"], "port": port},
            "memorySize": 512,
        },
    )
    workshop.write({"code/server.py": SERVER})
    found = swept(workshop, "--concurrency", "1,4", "-n", "8", "--rounds", "1", "--keep", "p95<60s")
    alone, together = found["sizes"]
    assert (alone["concurrency"], together["concurrency"]) == (1, 4)
    assert float(together["cu"]) < float(alone["cu"]) and found["cheapest"]["concurrency"] == 4
