"""A container engine on another kernel, as in a virtual machine: functions answer by ports, and nothing is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.command import Workshop, eventually
from tests.support.engine import containers_of, needs_engine
from tests.support.images import bare_python, registry_with_python
from tests.support.relay import relayed

DOCKER = Path("/var/run/docker.sock")
HANDLER = """
import json, os, sys

print("loading", flush=True)

def handler(event, context):
    wanted = json.loads(event or b"{}")
    print("handled", wanted.get("n"), flush=True)
    if "exit" in wanted:
        os._exit(wanted["exit"])
    return json.dumps({"in container": os.path.exists("/.dockerenv"), "n": wanted.get("n")})
"""
SERVER = """
import http.server, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print("served", flush=True)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"by a program")

time.sleep(0.5)  # what forwards its port accepts meanwhile
http.server.ThreadingHTTPServer(("0.0.0.0", 9000), Handler).serve_forever()
"""

pytestmark = [needs_engine, pytest.mark.skipif(not DOCKER.exists(), reason=f"no engine listens on {DOCKER}")]


@pytest.fixture(scope="module")
def apart() -> Iterator[dict[str, str]]:
    bare_python()
    with relayed(DOCKER) as address:
        yield {"DOCKER_HOST": address, "FCLOCAL_WALLS": "container"}


def project(workshop: Workshop) -> None:
    container = {"image": bare_python(), "entrypoint": ["python3"], "command": ["/srv/app/app.py"], "port": 9000}
    workshop.project(
        HANDLER, hello={}, web={"runtime": "custom-container", "customContainerConfig": container, "handler": "x"}
    )
    settings = {"functions": {"web": {"codeMounts": {"/srv/app": "./app"}}}}
    workshop.write({".fclocal.yaml": yaml.safe_dump(settings), "app/app.py": SERVER})


def test_functions_answer_by_ports_and_nothing_is_left(workshop: Workshop, apart: dict[str, str]) -> None:
    project(workshop)
    with workshop.started("--image-registry", registry_with_python(), "--json", env=apart) as running:
        for n in range(3):
            status, answer, _ = running.call("hello", json.dumps({"n": n}))
            assert status == 200 and json.loads(answer) == {"in container": True, "n": n}
        running.until(lambda event: event.get("text") == "handled 2")
        assert running.call("web")[:2] == (200, "by a program")
        status, answer, _ = running.call("hello", '{"exit": 3}')
        assert "exit" in answer.lower(), answer
        assert running.call("hello", '{"n": 4}')[0] == 200, "a new instance takes its place"
        workshop.write({"code/index.py": HANDLER.replace('"n": wanted', '"saved": wanted')})
        eventually(lambda: "saved" in json.loads(running.call("hello", '{"n": 5}')[1]), "the save was not taken over")
        runs = [found.name for found in (workshop.state / "run").glob(f"{running.process.pid}-*")]
        assert any(containers_of(run) for run in runs)
        assert running.stop() == 0
        running.assert_nothing_left()
    assert not any(containers_of(run) for run in runs)


def test_without_an_image_the_ways_on_are_told(workshop: Workshop, apart: dict[str, str]) -> None:
    workshop.project(HANDLER, hello={"runtime": "python3.9"})
    done = workshop.run("invoke", "hello", env=apart)
    assert done.returncode != 0
    assert "there is no image for python3.9" in done.stderr and "fclocal images build python3.9" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_says_how_it_is_reached(workshop: Workshop, apart: dict[str, str]) -> None:
    said = workshop.run("doctor", env=apart).stdout
    assert apart["DOCKER_HOST"] in said and "another kernel" in said
