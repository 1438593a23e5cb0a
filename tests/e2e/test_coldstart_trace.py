"""The cold start of a started emulator, from its JSON lines: phases that add up to the whole, and imports."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from emulator.journal.waterfall import ColdStarts
from emulator.model.coldstart import ColdStart
from emulator.model.events import KINDS, Event
from tests.support.command import Running, Workshop

TYPES = {name: kind for kind, name in KINDS.items()}
INDEX = """
import time
import shop

def initialize(context):
    time.sleep(0.2)

def handler(event, context):
    import colorsys
    return event
"""
SHOP = "import time\nimport decimal\ntime.sleep(0.1)\n"
PROGRAM = """
import http.server, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

time.sleep(0.2)
http.server.HTTPServer(("0.0.0.0", 9000), Handler).serve_forever()
"""
INITIALIZER = {"instanceLifecycleConfig": {"initializer": {"handler": "index.initialize", "timeout": 10}}}
CUSTOM = {
    "runtime": "custom.debian10",
    "customRuntimeConfig": {"command": ["python3", "server.py"], "port": 9000},
}


def fact(line: dict[str, Any]) -> Event:
    kind = TYPES[line["kind"]]
    event: Event = msgspec.convert({name: value for name, value in line.items() if name != "kind"}, kind)
    return event


def cold_start(running: Running, told: str) -> ColdStart:
    """The one that is known when `told` has happened."""
    running.until(lambda event: event["kind"] == told)
    running.until(lambda event: event["kind"] == "invocation_ended")
    facts = [fact(line) for line in running.events() if line["kind"] in TYPES]
    folds = ColdStarts()
    (found,) = [*folds.feed(facts), *folds.due(float("inf"))]
    return found


def added_up(found: ColdStart) -> None:
    at = 0.0
    for phase in found.phases:
        if phase.parent < 0:
            assert phase.at_ms == pytest.approx(at, abs=0.01)
            at += phase.duration_ms
        else:
            around = found.phases[phase.parent]
            assert around.at_ms - 0.01 <= phase.at_ms
            assert phase.at_ms + phase.duration_ms <= around.at_ms + around.duration_ms + 0.01
    assert at == pytest.approx(found.total_ms, abs=0.01)


def test_a_cold_start_is_taken_apart(workshop: Workshop) -> None:
    workshop.project(INDEX, echo=INITIALIZER)
    workshop.write({"code/shop.py": SHOP})
    with workshop.started("--json", "--cold", "faithful") as running:
        assert running.call("echo", b"hello")[0] == 200
        found = cold_start(running, "instance_traced")
    added_up(found)
    lengths = {phase.name: phase.duration_ms for phase in found.phases if phase.name != "load"}
    assert {"queue", "create", "compose", "sandbox", "runtime", "interpreter", "bootstrap"} <= set(lengths)
    assert lengths["initializer"] >= 200
    assert next(phase for phase in found.phases if phase.name == "load").duration_ms >= 100
    imports = {it.name: it for it in found.imports}
    assert found.imports[imports["shop"].parent].name == "index"
    assert found.imports[imports["decimal"].parent].name == "shop"
    assert imports["shop"].self_ms >= 100
    assert imports["colorsys"].parent == -1
    assert 0 < found.measuring_ms < found.total_ms
    assert (found.start, found.error) == ("spawn", "")


def test_nothing_is_measured_where_nobody_wants_it(workshop: Workshop) -> None:
    workshop.project(INDEX, echo=INITIALIZER)
    workshop.write({"code/shop.py": SHOP})
    with workshop.started("--json", "--cold", "faithful", "--no-trace") as running:
        assert running.call("echo", b"hello")[0] == 200
        found = cold_start(running, "invocation_ended")
        assert not [event for event in running.events() if event["kind"] == "instance_traced"]
    added_up(found)
    assert found.imports == ()


def test_a_program_is_seen_from_outside(workshop: Workshop) -> None:
    workshop.project("", server=CUSTOM)
    workshop.write({"code/server.py": PROGRAM})
    with workshop.started("--json") as running:
        assert running.call("server", b"hello")[0] == 200
        found = cold_start(running, "instance_traced")
    added_up(found)
    imports = {it.name: it for it in found.imports}
    assert found.imports[imports["socketserver"].parent].name == "http.server"
    parts = {phase.name: (found.phases[phase.parent].name, phase.duration_ms) for phase in found.phases}
    assert parts["process"][0] == parts["port"][0] == "runtime"
    assert parts["process"][1] >= 200
