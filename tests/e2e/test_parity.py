"""`fclocal parity`: one function with the same events in processes and in containers."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.command import PATIENCE_SECONDS, PYTHON_FUNCTION, Workshop, eventually, need_rung
from tests.support.engine import asked, containers_of, needs_engine
from tests.support.images import bare_python

ANONYMOUS = {
    "triggerName": "http",
    "triggerType": "http",
    "triggerConfig": {"authType": "anonymous", "methods": ["GET", "POST"]},
}
CODE = """
import json, os, time

def same(event, context):
    print("at", time.time(), "for", context.request_id)
    if event == b"fail":
        raise ValueError(os.environ["FC_INSTANCE_ID"])
    return json.dumps({"event": event.decode("latin-1"), "uid": os.getuid(), "id": context.request_id,
                       "named": os.uname().nodename == os.environ["FC_INSTANCE_ID"], "now": time.time()})

def differs(event, context):
    if event == b"wait":
        print("waiting", flush=True)
        time.sleep(600)
    inside = os.path.exists("/run/fclocal-entry")
    print("in a container" if inside else "in a process")
    return json.dumps({"host name": os.uname().nodename == os.environ["FC_INSTANCE_ID"], "container": inside,
                       "api_key": "container-secret" if inside else "process-secret"})
"""
SERVER = """
import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Answer(BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        said = json.dumps([self.command, self.path, self.headers.get("X-Mine"), body.decode(), os.getcwd()]).encode()
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=" + self.command)
        self.send_header("X-Walls", "container" if os.path.exists("/run/fclocal-entry") else "process")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = answer

    def log_message(self, *args):
        pass

ThreadingHTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Answer).serve_forever()
"""
EVENTS = {"a.json": b'{"a": 1}\n', "b.bin": b"\0\xff", "c-fails": b"fail"}
REQUESTS = {"get.http": b"GET /missing?a=1\nX-Mine: yes\n\n", "post.http": b"POST /x HTTP/1.1\r\n\r\nthe body"}


class Compared:
    """What the command printed with --json."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert lines, done.stderr
        self.code = done.returncode
        self.whole = lines[-1]
        self.events = {line["event"]: _by_name(line) for line in lines if line["kind"] == "event"}
        self.inside = next((_by_name(line) for line in lines if line["kind"] == "inside"), {})


def _by_name(line: dict[str, Any]) -> dict[str, tuple[str, str]]:
    assert line["same"] is not bool(line["differences"])
    return {it["where"]: (it["process"], it["container"]) for it in line["differences"]}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path_factory.mktemp("parity"))
    workshop.project(
        CODE,
        same={"handler": "index.same"},
        differs={"handler": "index.differs", "environmentVariables": {"DB_PASSWORD": "hunter22secret"}},
        web={
            "runtime": "custom.debian12",
            "customRuntimeConfig": {"command": ["python3", "server.py"], "port": 9000},
            "triggers": [ANONYMOUS],
        },
    )
    workshop.write({"code/server.py": SERVER})
    for folder, files in {"events": EVENTS, "requests": REQUESTS}.items():
        (workshop.root / folder).mkdir()
        for name, data in files.items():
            (workshop.root / folder / name).write_bytes(data)
    yield workshop
    assert not [*(workshop.state / "run").glob("*")], "nothing is left"


@needs_engine
def test_a_function_that_does_the_same_in_both_walls(shop: Workshop) -> None:
    need_rung("bwrap")
    done = shop.run("parity", "same", "--events", "events", "--no-inside")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines() if line.startswith("✓")] == [
        ["✓", name] for name in sorted(EVENTS)
    ]
    assert "No difference in 3 events." in done.stdout
    assert "times" in done.stdout and "header x-fc-request-id" in done.stdout, "what was not compared is told"


@needs_engine
def test_every_difference_is_shown_with_both_values_and_no_secret(shop: Workshop) -> None:
    done = shop.run("parity", "differs", "--events", "events", "--walls", "plain", "--json")
    found = Compared(done)
    assert found.code == 1 and list(found.events) == sorted(EVENTS)
    assert found.events["a.json"] == {
        "body $.container": ("false", "true"),
        "body $.host name": ("false", "true"),
        "body $.api_key": ("<redacted>", "<redacted>"),
        "log line 2": ("in a process", "in a container"),
    }
    assert not any(secret in done.stdout + done.stderr for secret in ("-secret", "hunter22"))
    assert found.inside["host name"][1] == "<instance id>" != found.inside["host name"][0]
    assert found.inside["folder /code"] == ("absent", "writable")
    assert found.inside["working folder"] == (str(shop.root / "code"), "/code")
    assert "env DB_PASSWORD" not in found.inside and "env FC_INSTANCE_ID" not in found.inside, "they are the same"
    assert found.whole["differences"] == sum(map(len, found.events.values())) + len(found.inside)
    text = shop.run("parity", "differs", "--events", "events", "--walls", "plain", "--no-inside").stdout
    assert "process (plain)  |  container" in text
    assert any(line.split() == ["body", "$.container", "false", "true"] for line in text.splitlines())
    assert "12 differences; 3 of 3 events differ." in text


@needs_engine
def test_differences_that_are_known_can_be_ignored(shop: Workshop) -> None:
    known = ("--ignore", "body $.*", "--ignore", "log line *")
    done = shop.run("parity", "differs", "--events", "events", "--walls", "plain", "--no-inside", *known)
    assert done.returncode == 0, done.stdout
    assert "ignored: 12 by --ignore" in done.stdout


@needs_engine
def test_a_custom_runtime_is_called_over_http(shop: Workshop) -> None:
    need_rung("bwrap")
    found = Compared(shop.run("parity", "web", "--events", "requests", "--json"))
    walls = {"header x-walls": ("process", "container")}
    assert found.events == {"get.http": walls, "post.http": walls}
    assert "uid" not in found.inside and "version python3" not in found.inside, "root, and the same interpreter"
    assert found.inside["network"][1] == "eth0 lo"


@needs_engine
def test_an_image_beside_its_command_on_this_machine(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    image = "fclocal-tests/parity:latest"
    config = {"image": image, "port": 9000, "command": ["python3", "server.py"]}
    props = {**PYTHON_FUNCTION, "runtime": "custom-container", "customContainerConfig": config, "triggers": [ANONYMOUS]}
    props = {"region": "cn-hangzhou", "functionName": "boxed", **{k: v for k, v in props.items() if k != "handler"}}
    project = {"edition": "3.0.0", "name": "e2e", "access": "default"}
    project["resources"] = {"boxed": {"component": "fc3", "props": props}}
    dockerfile = f"FROM {bare_python()}\nENV FROM_IMAGE=yes\nWORKDIR /srv/app\nCOPY server.py ./\n"
    workshop.write({"s.yaml": yaml.safe_dump(project), "Dockerfile": dockerfile, "server.py": SERVER})
    (tmp_path / "events").mkdir()
    (tmp_path / "events/get.http").write_bytes(REQUESTS["get.http"])
    try:
        found = Compared(workshop.run("parity", "--events", "events", "--json"))
        assert found.code == 1
        assert found.events["get.http"] == {"header x-walls": ("process", "container")}
        assert "env FROM_IMAGE" not in found.inside and "working folder" not in found.inside
        assert "its command runs on this machine" in str(found.whole["notices"]["process"])
    finally:
        with asked() as api:
            api.remove_image(image, force=True)


@needs_engine
def test_ctrl_c_ends_both_at_once_and_leaves_nothing(shop: Workshop) -> None:
    (shop.root / "slow").mkdir()
    (shop.root / "slow/a").write_bytes(b"wait")
    argv = [*shop.command, "parity", "differs", "--events", "slow"]
    process = subprocess.Popen(argv, cwd=shop.root, env=shop.environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    runs = shop.state / "run"
    eventually(lambda: len(instances(runs)) == 1, "the function runs in a process")
    found = [run.name for run in runs.iterdir()]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, err.strip()) == (130, b"")
    assert not [*runs.iterdir()]
    assert not any(containers_of(run) for run in found)


def instances(runs: Path) -> list[Path]:
    return [path for path in runs.glob("*/c-*") if path.is_dir()] if runs.exists() else []


# --- what can not be done ---


def test_without_an_engine_one_message_says_what_to_do(shop: Workshop) -> None:
    env = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    done = shop.run("parity", "same", "--events", "events", env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert "there are no container walls to compare with" in done.stderr and "/nowhere/docker.sock" in done.stderr
    assert "→ start a container engine" in done.stderr and "DOCKER_HOST" in done.stderr


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("same", "--events", "code/none"), "the events can not be read"),
        (("sane", "--events", "events"), "did you mean same?"),
        (("--events", "events"), "there are 3 functions"),
        (("same",), "--events"),
    ],
)
def test_what_is_asked_for_wrongly_is_told(shop: Workshop, args: tuple[str, ...], says: str) -> None:
    done = shop.run("parity", *args)
    assert done.returncode == 2 and says in done.stderr


def test_a_request_for_a_function_without_an_http_trigger_is_told(shop: Workshop) -> None:
    done = shop.run("parity", "same", "--events", "requests", env={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    assert done.returncode == 2 and "function same has no HTTP trigger" in done.stderr
