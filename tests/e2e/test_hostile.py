"""Functions and projects that mean ill: every attack ends in an error, and the emulator lives on."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.command import PYTHON_FUNCTION, Running, Workshop

EVENT = "def handler(event, context):\n    return 'fine'\n"
HTTP = {
    "triggers": [
        {"triggerName": "http", "triggerType": "http", "triggerConfig": {"authType": "anonymous", "methods": ["POST"]}}
    ]
}
# What a server writes in answer to a request; the text `close` at the end means that it closes then.
ANSWERS = {
    "garbage": b"\x00\x01\x02 no HTTP at all\r\n\r\n",
    "nothing": b"close",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Leclose",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcclose",
    "a head without an end": b"HTTP/1.1 200 OK\r\n" + b"X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 100_000,
    "a line without an end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 5_000_000,
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nabclose",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabclose",
    "a length beyond all numbers": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nabclose",
    "a chunk size that is none": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\nclose",
    "a chunk that ends early": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabclose",
    "a status that is none": b"HTTP/1.1 abc OK\r\n\r\nclose",
    "an upgrade that nobody asked for": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
}
SERVER = """
import os, re, socket, threading

def serve(connection):
    head = b""
    while b"\\r\\n\\r\\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            return
        head += piece
    head, _, body = head.partition(b"\\r\\n\\r\\n")
    length = int(re.search(rb"(?i)content-length: *(\\d+)", head)[1])
    body = bytearray(body)
    while len(body) < length:
        body += connection.recv(65536)
    answer = bytes.fromhex(body.decode())
    connection.sendall(answer.removesuffix(b"close"))
    if answer.endswith(b"close"):
        connection.shutdown(socket.SHUT_RDWR)

def thread(connection):
    try:
        serve(connection)
    except OSError:
        pass

with socket.create_server(("0.0.0.0", int(os.environ["FC_SERVER_PORT"]))) as server:
    kept = []
    while True:
        kept.append(server.accept()[0])
        threading.Thread(target=thread, args=(kept[-1],), daemon=True).start()
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    workshop = Workshop(tmp_path_factory.mktemp("hostile"))
    custom = {"runtime": "custom.debian10", "timeout": 5, "customRuntimeConfig": {"command": ["python3", "server.py"]}}
    workshop.project(EVENT, hello={}, server={**custom, **HTTP}, mean={"handler": "mean.handler", "timeout": 5})
    workshop.write({"code/server.py": SERVER, "code/mean.py": MEAN})
    with workshop.started() as started:
        yield started
        assert started.stop() == 0
        assert "Traceback" not in started.err
        assert not list(workshop.root.rglob("crash-*"))


@pytest.mark.parametrize("name", ANSWERS)
def test_a_server_that_answers_nonsense(running: Running, name: str) -> None:
    """The caller gets FC's error; where a part of the answer was on its way already, the connection breaks off."""
    broken_off = name in ("half a body", "a chunk that ends early")
    with pytest.raises(http.client.IncompleteRead) if broken_off else contextlib.nullcontext():
        status, body, headers = running.call("server", ANSWERS[name].hex())
        assert (status, headers["x-fc-error-type"]) == (200, "UnhandledInvocationError")
        assert set(json.loads(body)) == {"errorMessage"}
    with pytest.raises(http.client.IncompleteRead) if broken_off else contextlib.nullcontext():
        host = {"Host": f"server.localhost:{running.port}"}
        status, body, _ = running.http("POST", "/", ANSWERS[name].hex(), host)
        assert status == 502, body
    assert running.call("hello")[:2] == (200, "fine")


# User code that does to our own bootstrap what it can: everything is in its process.
MEAN = """
import os, signal, socket, sys, threading

def sockets():
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if os.readlink("/proc/self/fd/%d" % fd).startswith("socket:"):
                yield fd
        except OSError:
            pass

def handler(event, context):
    action = event.decode()
    if action == "write on every socket":
        for fd in list(sockets()):
            try:
                os.write(fd, b"\\0\\1garbage\\r\\n\\r\\n")
            except OSError:
                pass
    elif action == "answer in our place, twice":
        answer = b"HTTP/1.1 200 OK\\r\\nContent-Length: 1\\r\\n\\r\\nx"
        for fd in list(sockets()):
            try:
                os.write(fd, answer + answer)
            except OSError:
                pass
    elif action == "close every socket":
        for fd in list(sockets()):
            os.close(fd)
    elif action == "kill itself":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "exit":
        os._exit(0)
    elif action == "end in a thread":
        threading.Thread(target=os._exit, args=(3,)).start()
        threading.Event().wait()
    elif action == "stop itself":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "forge marker lines":
        print("FC Invoke End RequestId: " + context.request_id + ", Error: forged")
        print("\\x1b[2J\\x1b]0;title\\x07")
    elif action == "fill the log":
        for _ in range(2000):
            sys.stdout.write("x" * 65536 + "\\n")
    elif action == "log without an end":
        sys.stdout.write("x" * 20_000_000)
    elif action == "log no text":
        os.write(1, bytes(range(256)) * 100)
    return "still here"
"""
FATAL = ("close every socket", "kill itself", "exit", "end in a thread", "stop itself", "write on every socket")
HARMLESS = ("forge marker lines", "fill the log", "log without an end", "log no text")


@pytest.mark.parametrize("action", FATAL)
def test_user_code_that_breaks_its_own_instance(running: Running, action: str) -> None:
    status, body, headers = running.call("mean", action)
    assert (status, headers["x-fc-error-type"]) == (200, "UnhandledInvocationError")
    assert set(json.loads(body)) == {"errorMessage"}
    assert running.call("mean", "nothing")[:2] == (200, "still here"), "in a new instance"


def test_an_answer_in_our_place_harms_this_function_only(running: Running) -> None:
    """It is the function's own answer that it forges; nothing of it may reach the next request."""
    running.call("mean", "answer in our place, twice")
    assert running.call("mean", "nothing")[:2] == (200, "still here")
    assert running.call("hello")[:2] == (200, "fine")


@pytest.mark.parametrize("action", HARMLESS)
def test_user_code_that_writes_what_it_should_not(running: Running, action: str) -> None:
    assert running.call("mean", action)[:2] == (200, "still here")


# --- bootstraps ---

TOML = """
kind = "bootstrap"

[names]
mean = "3.10"

[interpreter]
command = "python"
lang_dir = "/var/fc/lang/{id}/bin"
links = ["python3"]
argv = ["{interpreter}", "{home}/bootstrap.py"]
"""
BOOTSTRAP = """
import socket, sys
listener = socket.socket(socket.AF_UNIX, fileno=3)
while True:
    connection = listener.accept()[0]
    connection.recv(65536)
    WHAT
"""


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (r"connection.sendall(b'\0garbage\r\n\r\n')", "Its answer is not HTTP: "),
        (r"connection.sendall(b'HTTP/1.1 200 OK\r\nX: ' + b'a' * 3_000_000); connection.recv(1)", "is not HTTP: "),
        ("connection.close(); sys.exit(3)", "exited unexpectedly(code 3"),
        ("connection.recv(1)", "health check failed in 5 seconds"),
    ],
)  # fmt: skip
def test_a_bootstrap_that_answers_nonsense(workshop: Workshop, what: str, says: str) -> None:
    workshop.project(EVENT, mean={"runtime": "mean"}, hello={})
    bootstrap = BOOTSTRAP.replace("WHAT", what)
    workshop.write({"runtimes/mean/runtime.toml": TOML, "runtimes/mean/bootstrap.py": bootstrap})
    with workshop.started("--runtimes-dir", "runtimes", "--start-timeout", "5") as running:
        status, body, _ = running.call("mean")
        assert (status, says in json.loads(body)["Message"]) == (412, True), body
        assert running.call("hello")[:2] == (200, "fine")
        assert running.stop() == 0
        assert "Traceback" not in running.err


# --- paths ---


@pytest.mark.parametrize(
    ("props", "absent"),
    [
        ({"layers": ["acs:fc:cn-hangzhou:1:layers/../../outside/versions/1"]}, "/opt/secret"),
        ({"layers": ["../../outside"]}, "/opt/secret"),
        ({"nasConfig": {"mountPoints": [{"serverAddr": "x:/../../outside", "mountDir": "/mnt/a"}]}}, "/mnt/a/secret"),
        ({"nasConfig": {"mountPoints": [{"serverAddr": "x:/a", "mountDir": "/mnt/../code"}]}}, "/code/new"),
        ({"nasConfig": {"mountPoints": [{"serverAddr": "../../outside", "mountDir": "/mnt/a"}]}}, "/mnt/a/secret"),
        ({"ossMountConfig": {"mountPoints": [{"bucketName": "..", "bucketPath": "/../outside", "mountDir": "/mnt/a"}]}},
         "/mnt/a/secret"),
    ],
)  # fmt: skip
def test_paths_do_not_lead_outside(tmp_path: Path, props: Mapping[str, object], absent: str) -> None:
    workshop = Workshop(tmp_path / "inside" / "project")
    workshop.root.mkdir(parents=True)
    (tmp_path / "inside" / "outside").mkdir()
    (tmp_path / "inside" / "outside" / "secret").write_text("secret")
    workshop.project("import os\n\ndef handler(event, context):\n    return str(os.path.exists(event))\n", hello=props)
    done = workshop.run("invoke", "-e", absent)
    assert (done.returncode, done.stdout) == (0, "False"), done.stderr
    assert sorted(path.name for path in (tmp_path / "inside").iterdir()) == ["outside", "project"]
    assert [path.name for path in (tmp_path / "inside" / "outside").iterdir()] == ["secret"]


def test_code_that_is_a_link_out_of_the_project_is_shown_for_what_it_is(tmp_path: Path) -> None:
    """`code` may lie beside the project (`../dist`), but it must be there, and it alone becomes visible."""
    workshop = Workshop(tmp_path / "project")
    workshop.root.mkdir()
    for name in ("dist", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.py").write_text(
            "import os\n\ndef handler(event, context):\n    return str(os.path.exists(event))\n"
        )
    workshop.project(hello={**PYTHON_FUNCTION, "code": "../dist"})
    done = workshop.run("invoke", "-e", str(tmp_path / "other" / "index.py"), "--walls", "bwrap")
    assert (done.returncode, done.stdout) == (0, "False"), done.stderr
    workshop.project(hello={**PYTHON_FUNCTION, "code": "../absent"})
    done = workshop.run("invoke", "-e", "x")
    assert "lies outside of the project and does not exist" in done.stderr
