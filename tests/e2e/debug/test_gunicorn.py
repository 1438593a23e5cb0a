"""A server that binds its port before it forks the workers that answer on it: gunicorn behind a custom runtime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import PATIENCE_SECONDS, Workshop, free_port
from tests.support.dap_client import attached
from tests.support.debug_project import DebugProject, calls

APP = """
import os

READY = True  # @module


def app(environ, start_response):
    mine = os.environ["FC_INSTANCE_ID"]  # @handler
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [mine.encode()]
"""


@pytest.fixture
def project(tmp_path: Path) -> DebugProject:
    made = DebugProject(Workshop(tmp_path), "")
    packages = tmp_path / "web" / "python"
    argv = [sys.executable, "-m", "pip", "install", "-q", "--no-compile", "--target", str(packages), "gunicorn"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    if done.returncode:
        pytest.skip(f"gunicorn can not be installed here: {done.stderr[-300:]}")
    port = free_port()
    command = ["python3", "-m", "gunicorn", "--bind", f"0.0.0.0:{port}", "--timeout", "0", "index:app"]
    made.function(
        "web",
        APP,
        runtime="custom.debian12",
        customRuntimeConfig={"command": command, "port": port},
        environmentVariables={"E2E_MARK": made.workshop.mark, "PYTHONPATH": "/code/python:/code"},
    )
    return made


def test_a_cold_start_under_an_editor_is_one_instance_and_its_worker_stops(project: DebugProject) -> None:
    with project.workshop.started("--json") as running, calls(running) as invoke:
        port = int(running.endpoint["debug_port"])
        with attached(port, project.at("web", "module", "handler")) as editor:
            answer = invoke.begin("web")
            for mark in ("module", "handler"):
                stop = editor.stopped()
                assert (stop.path, stop.line) == (project.path("web"), project.line("web", mark))
                assert "/" in stop.name.partition(" ")[0], "a process below the one that was started"
                stop.go()
            status, instance = answer.result()
            begun = [event["instance_id"] for event in running.events() if event["kind"] == "instance_started"]
            assert (status, begun) == (200, [instance])


def test_a_request_waits_for_the_instance_in_which_a_debugger_gets_ready(project: DebugProject) -> None:
    with project.workshop.started("--json", "--no-freeze") as running, calls(running) as invoke:
        port = int(running.endpoint["debug_port"])
        status, instance = invoke.begin("web").result()
        assert status == 200
        with attached(port, project.at("web", "handler")) as editor:
            answer = invoke.begin("web")
            editor.stopped().go()
            assert answer.result() == (200, instance)
        begun = [event["instance_id"] for event in running.events() if event["kind"] == "instance_started"]
        assert begun == [instance]
