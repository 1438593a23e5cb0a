"""Containers that are started before they are needed (docs/zygote.md): when, and that nobody can tell."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.command import Running, Workshop, eventually
from tests.support.engine import asked, containers_of, needs_engine

pytestmark = [
    needs_engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts code in a container that runs"),
]
IN_CONTAINERS = ("--walls", "container", "--json")
# What can differ between an instance and another, but for what is its own. `SAVED` is another text with each save.
PYTHON = """
import json, os, sys
def status():
    names = ("Cap", "Seccomp", "NoNewPrivs", "Uid", "Gid", "Groups")
    return [line for line in open("/proc/self/status").read().split("\\n") if line.startswith(names)]
def limit(file):
    return open("/sys/fs/cgroup/" + file).read() if os.path.exists("/sys/fs/cgroup/" + file) else ""
def handler(event, context):
    if event == b"end":
        os._exit(7)
    if event == b"write":
        open("/code/made.txt", "w").close()
    if event == b"grow":
        kept = bytearray(1 << 30)
    env = dict(os.environ)
    name = env.pop("FC_INSTANCE_ID")
    return json.dumps({
        "id": name, "env": env, "cwd": os.getcwd(), "path": sys.path, "named": os.uname()[1] == name,
        "code": sorted(os.listdir("/code")), "layer": os.listdir("/opt"), "ours": os.listdir("/run/fclocal"),
        "rights": status(), "memory": limit("memory/memory.limit_in_bytes") + limit("memory.max"), "saved": "SAVED",
        "loaded": sorted(set(sys.modules) - {"json"} & {"re", "enum", "logging", "threading"}),
    })
"""
NODE = """
const fs = require('fs'), os = require('os');
exports.handler = (event, context, callback) => {
  const env = Object.assign({}, process.env), name = env.FC_INSTANCE_ID;
  delete env.FC_INSTANCE_ID;
  callback(null, JSON.stringify({
    id: name, env: env, cwd: process.cwd(), named: os.hostname() === name, code: fs.readdirSync('.').sort(),
    layer: fs.readdirSync('/opt'), ours: fs.readdirSync('/run/fclocal').sort(), saved: 'SAVED',
  }));
};
"""
PROGRAM = """
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        env = dict(os.environ)
        name = env.pop("FC_INSTANCE_ID")
        told = {"id": name, "env": env, "cwd": os.getcwd(), "code": sorted(os.listdir("/code")), "saved": "SAVED",
                "layer": os.listdir("/opt"), "named": os.uname()[1] == name, "ours": sorted(os.listdir("/run/fclocal"))}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())
    do_GET = do_POST
http.server.HTTPServer(("0.0.0.0", 9000), Handler).serve_forever()
"""
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "python": ("index.py", PYTHON, {"runtime": "python3.10"}),
    "node": ("index.js", NODE, {"runtime": "nodejs20"}),
    "program": (
        "app.py",
        PROGRAM,
        {"runtime": "custom.debian12", "customRuntimeConfig": {"command": ["python3", "app.py"], "port": 9000}},
    ),
}
# How a second instance is started.
AHEAD = {"python": "spare", "node": "spare", "program": "walls"}


class Project:
    """A function of one kind, with a layer and a variable."""

    def __init__(self, workshop: Workshop, kind: str) -> None:
        self.workshop = workshop
        self.file, self.code, props = KINDS[kind]
        self.saves = 0
        workshop.write({".fclocal/layers/ours/of-the-layer.txt": ""})
        own = {
            "memorySize": 192, "cpu": 0.5, "timeout": 30, "environmentVariables": {"GREETING": "héllo 'x' $HOME"},
            "layers": ["acs:fc:cn-hangzhou:1:layers/ours/versions/1"],
        }  # fmt: skip
        workshop.project("", hello={**props, **own})
        self.save()

    def save(self) -> str:
        self.saves += 1
        (self.workshop.root / "code" / self.file).write_text(self.code.replace("SAVED", f"save {self.saves}"))
        return f"save {self.saves}"


def answer(running: Running, event: str = "") -> tuple[str, dict[str, Any]]:
    """How the instance came that answered, and what it told."""
    status, body, _ = running.call("hello", event)
    assert status == 200, body
    told: dict[str, Any] = json.loads(body)
    name = told.pop("id")
    (started,) = running.until(lambda it: it["kind"] == "instance_started" and it["instance_id"] == name)
    return started["start"], told


def from_ahead(running: Running, project: Project, way: str, before: Callable[[], object] = lambda: None) -> Any:
    """What an instance told that was made ahead; none may be there yet, so more than one may come to be.

    Each has to have what was saved last.
    """

    def look() -> dict[str, Any] | None:
        before()
        saved = project.save()
        start, told = answer(running)
        assert told["saved"] == saved
        return told if start == way else None

    return eventually(look, "an instance comes from what is there")


def runs_of(running: Running) -> list[str]:
    """Process walls and containers each have one."""
    return [found.name for found in (running.workshop.state / "run").glob(f"{running.process.pid}-*")]


def containers(running: Running) -> int:
    return sum(len(containers_of(run)) for run in runs_of(running))


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_made_ahead_is_what_is_made_at_need(workshop: Workshop, kind: str) -> None:
    project = Project(workshop, kind)
    with workshop.started(*IN_CONTAINERS) as running:
        start, spawned = answer(running)
        assert start == "spawn" and spawned["named"]
        names = iter(range(1000))
        ahead = from_ahead(
            running, project, AHEAD[kind], lambda: workshop.write({f"code/{next(names)}.txt": ""})
        )
        assert f"{next(names) - 1}.txt" in ahead["code"] and ahead["layer"] == ["of-the-layer.txt"]
        for told in (spawned, ahead):
            told["code"], told["saved"] = [], ""
            told["ours"] = [name for name in told["ours"] if name not in ("hold", "before")]
        assert ahead == spawned
        assert running.stop() == 0
        running.assert_nothing_left()


def test_it_ends_as_any_other_and_what_it_wrote_is_told(workshop: Workshop) -> None:
    project = Project(workshop, "python")
    with workshop.started(*IN_CONTAINERS) as running:
        answer(running)
        from_ahead(running, project, "spare")
        answer(running, "write")
        for event, reason in (("end", "crashed"), ("grow", "oom")):
            from_ahead(running, project, "spare")
            _, body, headers = running.call("hello", event)
            assert headers["x-fc-error-type"] == "UnhandledInvocationError", body
            running.until(lambda it, reason=reason: it.get("after") == "stopped" and it["reason"] == reason)
        running.until(lambda event: event["kind"] == "instance_wrote" and "/code/made.txt" in event["paths"])
        assert not (workshop.root / "code/made.txt").exists()


def test_nothing_is_made_ahead_where_nobody_wants_it(workshop: Workshop) -> None:
    project = Project(workshop, "python")
    with workshop.started(*IN_CONTAINERS, "--spares", "0") as running:
        for _ in range(2):
            assert answer(running)[0] == "spawn"
            project.save()
        answer(running)
        eventually(lambda: containers(running) == 1, "only that of the last save is there")


def test_what_is_parked_goes_with_the_emulator(workshop: Workshop) -> None:
    Project(workshop, "python")
    with workshop.started(*IN_CONTAINERS) as running:
        answer(running)
        runs = runs_of(running)
        eventually(lambda: containers(running) == 2, "one is parked")
        running.signal(signal.SIGKILL)
        assert running.ended() == -signal.SIGKILL
        eventually(lambda: not any(containers_of(run) for run in runs), "every container is gone")
        eventually(lambda: not running.folders(), "every folder is gone")


def test_what_somebody_removed_is_not_used(workshop: Workshop) -> None:
    project = Project(workshop, "python")
    with workshop.started(*IN_CONTAINERS) as running:
        answer(running)
        eventually(lambda: containers(running) == 2, "one is parked")
        with asked() as api:
            for run in runs_of(running):
                for name in containers_of(run):
                    api.remove_container(name, force=True)
        project.save()
        assert answer(running)[1]["saved"] == "save 2"
