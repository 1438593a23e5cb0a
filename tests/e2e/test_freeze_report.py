"""What was running in an instance when it froze is told: what, where, once, and nothing that is not the user's."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.app import Emulator
from emulator.config.settings import Settings
from emulator.instance import freezing
from emulator.model.events import InstanceMoved, InvocationEnded
from emulator.model.function import Function, FunctionName, Project
from emulator.model.inner_events import FreezeReport
from emulator.model.invocation import Invocation
from emulator.model.lifecycle import State
from tests.support.command import PATIENCE_SECONDS, RUNGS, eventually, free_port, need_rung
from tests.support.images import need_engine

LEAVES = """
import os, socket, subprocess, sys, threading, time

def beat():
    while True: time.sleep(0.01)  # here

def later():
    pass

def leave():
    threading.Thread(target=beat, name="heart", daemon=True).start()
    timer = threading.Timer(300, later)
    timer.daemon = True
    timer.start()
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    accepted, _ = server.accept()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "--password", "hunter2"])
    if os.fork() == 0:
        time.sleep(600)
    return server, client, accepted, child

def handler(event, context):
    global left
    if event == b"leave":
        left = leave()
    return "done"
"""


class Site:
    """A running emulator with one function in Python, and what its journal says."""

    def __init__(self, folder: Path, code: str, rung: str = "plain", **environment: str) -> None:
        need_rung(rung)
        (folder / "index.py").write_text(code)
        name = FunctionName("left")
        function = Function(
            name, "python3.10", handler="index.handler", code=folder, timeout=60, environment=environment
        )
        settings = Settings(port=0, walls=rung, state_dir=folder / ".fclocal", reload=False)
        self.emulator = Emulator(settings, Project(folder, None, (function,)))
        self.reader = self.emulator.journal.subscribe(linger=0.0)
        self.seen: list[Any] = []

    async def call(self, event: bytes) -> bytes:
        revision = self.emulator.engine.registry.latest(FunctionName("left"))
        assert revision is not None
        call = Invocation(revision, f"1-{event.decode()}", body=event, length=len(event))
        async with self.emulator.engine.dispatcher.invoke(call) as outcome:
            assert isinstance(outcome.body, bytes)
            return outcome.body

    async def until(self, wanted: Callable[[Any], bool], count: int = 1) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum(map(wanted, self.seen)) < count:
                self.seen += await anext(aiter(self.reader))

    @property
    def reports(self) -> list[FreezeReport]:
        return [event for event in self.seen if isinstance(event, FreezeReport)]


def is_frozen(event: Any) -> bool:
    return isinstance(event, InstanceMoved) and event.after is State.FROZEN


@pytest.mark.parametrize("rung", RUNGS)
def test_what_python_leaves_is_told_when_it_is_new(tmp_path: Path, rung: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freezing, "ASK_SECONDS", PATIENCE_SECONDS)

    async def run() -> FreezeReport:
        site = Site(tmp_path, LEAVES, rung)
        async with site.emulator:
            await site.call(b"nothing")
            await site.until(is_frozen)
            await site.call(b"leave")
            await site.until(lambda event: isinstance(event, FreezeReport))
            for freezes in (3, 4):
                await site.call(b"nothing")
                await site.until(is_frozen, freezes)
            assert len(site.reports) == 1, site.reports
            [told] = site.reports
            return told

    told = asyncio.run(run())
    line = next(number for number, text in enumerate(LEAVES.splitlines(), 1) if "# here" in text)
    [thread] = told.threads
    assert thread.startswith("heart at ") and thread.endswith(f"index.py:{line} in beat")
    [timer] = told.timers
    assert timer.startswith("threading.Timer of 300 s for later (")
    listening, connected = told.sockets
    assert listening.startswith("TCP, listening on port ")
    assert connected == f"TCP to 127.0.0.1:{listening.rpartition(' ')[2]}"
    child, fork = sorted(told.processes, key=lambda text: "fork" in text)
    assert child.startswith("python3") and "hunter2" not in child
    assert fork.startswith("that is a fork of the function's own (pid ")


def test_the_log_warns_once_for_all_instances_and_a_quiet_function_is_not_named(workshop):
    if shutil.which("node") is None:
        pytest.skip("no node is here")
    workshop.project(LEAVES, quiet={}, node={"runtime": "nodejs20", "handler": "timer.handler"})
    workshop.write({"code/timer.js": "setInterval(() => {}, 1000);\nexports.handler = (e, c, cb) => cb(null, 'x');\n"})
    with workshop.started("--log-level", "debug") as running:
        for name in ("quiet", "node"):
            running.call(name)
        eventually(lambda: "1 timer of setTimeout or setInterval" in running.out, "what Node.js has left")
        eventually(lambda: running.out.count("freezing → frozen") == 2, "both are frozen")
    assert running.out.count("was frozen while this was running; Function Compute stops it too:") == 1
    assert "fclocal: node " in running.out


def test_what_stands_around_an_instance_of_a_template_is_not_told(workshop):
    need_rung("bwrap")
    workshop.project(LEAVES, quiet={})

    def saved(number: int) -> tuple[str, str]:
        """The instance that has answered after a save, and how it came to be."""
        workshop.write({"code/index.py": f"{LEAVES}# {number}\n"})
        instance = running.call("quiet")[2]["x-fc-instance-id"]
        [started] = running.until(lambda e: e["kind"] == "instance_started" and e["instance_id"] == instance)
        return instance, started["start"]

    with workshop.started("--json", "--walls", "bwrap") as running:
        running.call("quiet")
        instance = next(found for found, start in map(saved, range(1000)) if start in ("fork", "spare"))
        running.until(lambda e: e.get("after") == "frozen" and e["instance_id"] == instance)
        assert running.call("quiet")[2]["x-fc-instance-id"] == instance
        running.until(lambda e: e.get("before") == "frozen" and e["instance_id"] == instance)
        assert not [e for e in running.events() if e["kind"] == "freeze_report"]


SERVER = """
import os, subprocess, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

if "worker" not in sys.argv:
    subprocess.Popen([sys.executable, __file__, "worker"])  # a part of the server
else:
    import time
    time.sleep(600)

class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        if self.rfile.read(int(self.headers.get("Content-Length") or 0)) == b"leave":
            subprocess.Popen(["sleep", "600"])
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

ThreadingHTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Answer).serve_forever()
"""


@pytest.mark.parametrize("walls", ["process", "container"])
def test_of_a_program_what_its_requests_have_started_is_told(workshop, walls):
    if walls == "container":
        need_engine()
    command = {"command": ["python3", "server.py"], "port": free_port()}
    workshop.project(web={"runtime": "custom.debian12", "handler": "not-used", "customRuntimeConfig": command})
    workshop.write({"code/server.py": SERVER})
    with workshop.started("--json", "--walls", walls) as running:
        assert running.call("web")[0] == 200
        running.until_state("frozen", 1)
        assert running.call("web", b"leave")[0] == 200
        running.until_state("frozen", 2)
        [told] = running.until(lambda e: e["kind"] == "freeze_report")
    assert told["threads"] == told["timers"] == told["sockets"] == []
    [process] = told["processes"]
    assert process.startswith("sleep (pid ")


STUCK = """
import os, sys, threading, time

def never():
    open(os.environ["ASKED"], "w").close()
    time.sleep(600)

def handler(event, context):
    if event == b"first":
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        sys._current_frames = never
    return event
"""


def test_a_program_that_does_not_answer_is_frozen_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freezing, "ASK_SECONDS", 0.1)

    async def run() -> None:
        site = Site(tmp_path, STUCK, ASKED=str(tmp_path / "asked"))
        async with site.emulator:
            assert await site.call(b"first") == b"first"
            await site.until(is_frozen)
        assert not site.reports

    asyncio.run(run())


def test_an_invocation_that_comes_while_it_is_asked_does_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freezing, "ASK_SECONDS", PATIENCE_SECONDS)
    asked = tmp_path / "asked"

    async def run() -> None:
        site = Site(tmp_path, STUCK, ASKED=str(asked))
        async with site.emulator:
            await site.call(b"first")
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not asked.exists():
                    await asyncio.sleep(0.005)
            assert await site.call(b"second") == b"second"
            await site.until(lambda event: isinstance(event, InvocationEnded), 2)
            assert not any(is_frozen(event) for event in site.seen), "it had not to be thawed for it"
            assert [event.cold for event in site.seen if isinstance(event, InvocationEnded)] == [True, False]

    asyncio.run(run())
