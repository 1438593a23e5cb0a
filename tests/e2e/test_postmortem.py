"""Invocations fail in every way: `fclocal postmortem` shows what is left of them, also as a debug session."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import os
import pty
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.command import PATIENCE_SECONDS, Running, Workshop

FAILING = """
import ctypes, json, os, sys, time

LIMIT = 2


class Order:
    def __init__(self, number, password):
        self.number = number
        self.password = password
        self.items = [{"sku": "a", "price": None}]

    def __repr__(self):
        raise SystemExit("no repr")


def total(order):
    return sum(item["price"] for item in order.items)


def handler(event, context):
    event = json.loads(event)
    order = Order(7, event.get("password", "hunter2"))
    print("working on", event["do"])
    return globals()[event["do"]](order)


def raises(order):
    try:
        return total(order)
    except TypeError as error:
        raise ValueError("order %d has no price" % order.number) from error


def sleeps(order):
    stage = "sleeping"
    time.sleep(600)


def spins(order):
    rounds = 0
    while True:
        rounds += 1


def holds(order):
    # One call into C that never lets go of the interpreter.
    sum(range(10 ** 15))


def eats(order):
    hoard = []
    while True:
        hoard.append(bytearray(4_000_000))


def crashes(order):
    ctypes.string_at(0)


def leaves(order):
    os._exit(7)


def initialize(context):
    settings = {"token": "abc-def-123"}
    raise RuntimeError("no database")
"""


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workshop, Running]]:
    workshop = Workshop(tmp_path_factory.mktemp("postmortem"))
    own = {"timeout": 1, "memorySize": 128, "cpu": 1, "environmentVariables": {"DB_PASSWORD": "correct-horse"}}
    start = {"instanceLifecycleConfig": {"initializer": {"handler": "index.initialize", "timeout": 3}}}
    workshop.project(FAILING, hello=own, broken={**own, **start})
    with workshop.started("--json") as running:
        yield workshop, running


def fail(running: Running, do: str, function: str = "hello", **event: Any) -> str:
    """The request id of an invocation that fails, once its post-mortem is kept."""
    _, _, headers = running.call(function, json.dumps({"do": do, **event}))
    request_id = headers["x-fc-request-id"]
    running.until(lambda e: e["kind"] == "post_mortem_kept" and e["request_id"] == request_id)
    return request_id


def bundle(workshop: Workshop, request_id: str) -> dict[str, Any]:
    done = workshop.run("postmortem", request_id, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert "hunter2" not in done.stdout and "correct-horse" not in done.stdout
    return found


def names(values: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {value["name"]: value for value in values}


def test_an_exception_with_its_chain(failed: tuple[Workshop, Running]) -> None:
    workshop, running = failed
    request_id = fail(running, "raises", password="hunter2")
    found = bundle(workshop, request_id)
    assert (found["kind"], found["what"]) == ("exception", "ValueError: order 7 has no price")
    assert re.fullmatch(r"index\.py:\d+ in raises", found["where"])
    first, second = found["dump"]["exceptions"]
    assert (first["type"], second["type"], second["relation"]) == ("ValueError", "TypeError", "cause")
    assert [f["function"] for f in first["frames"]] == ["raises", "handler"]
    order = names(first["frames"][0]["locals"])["order"]
    assert names(order["children"])["password"]["redacted"] is True
    assert found["event"]["text"] == '{\n  "do": "raises",\n  "password": "<redacted>"\n}'
    assert "working on raises" in found["log"]
    assert found["memory"]["limit_mb"] == 128 and found["memory"]["peak_mb"] > 1
    path = workshop.state / "postmortems" / f"{request_id}.json"
    assert path.stat().st_mode & 0o777 == 0o600 and "hunter2" not in path.read_text()


@pytest.mark.parametrize(
    ("do", "function", "variable"),
    [("sleeps", "sleeps", "stage"), ("spins", "spins", "rounds"), ("holds", "holds", "")],
)
def test_a_timeout_shows_where_it_stood(
    failed: tuple[Workshop, Running], do: str, function: str, variable: str
) -> None:
    workshop, running = failed
    found = bundle(workshop, fail(running, do))
    assert found["kind"] == "timeout" and found["where"].endswith(f" in {function}")
    (current,) = [thread for thread in found["dump"]["threads"] if thread.get("current")]
    frame = next(frame for frame in current["frames"] if frame["function"] == function)
    assert frame.get("has_locals", True) is bool(variable)
    assert not variable or variable in names(frame["locals"])
    assert "def handler" in found["dump"]["sources"][frame["file"]][0][1]


def test_out_of_memory(failed: tuple[Workshop, Running]) -> None:
    workshop, running = failed
    found = bundle(workshop, fail(running, "eats"))
    assert found["kind"] == "oom" and found["ending"] == {"signal": 9, "oom": True}
    assert found["memory"]["peak_mb"] >= 128 and found["remarks"]


def test_a_crash_in_c_code(failed: tuple[Workshop, Running]) -> None:
    workshop, running = failed
    found = bundle(workshop, fail(running, "crashes"))
    assert found["kind"] == "crash" and found["ending"]["signal"] == signal.SIGSEGV
    assert found["where"].endswith(" in crashes")
    (failure,) = found["dump"]["exceptions"]
    assert (failure["type"], failure["message"]) == ("Fatal Python error", "Segmentation fault")
    # FC's log has nothing of it.
    assert not any("Fatal Python error" in line for line in found["log"])


def test_an_exit_without_a_word(failed: tuple[Workshop, Running]) -> None:
    workshop, running = failed
    request_id = fail(running, "leaves")
    found = bundle(workshop, request_id)
    assert found["kind"] == "exit" and found["ending"] == {"code": 7} and "exceptions" not in found["dump"]
    shown = workshop.run("postmortem", request_id)
    assert "exited with code 7" in shown.stdout and "leaves no stack" in shown.stdout


def test_an_initializer_that_fails_is_found_by_the_request_that_needed_it(failed: tuple[Workshop, Running]) -> None:
    workshop, running = failed
    found = bundle(workshop, fail(running, "raises", "broken"))
    assert (found["phase"], found["what"]) == ("Initialize", "RuntimeError: no database")
    assert found["where"].endswith(" in initialize") and "abc-def-123" not in json.dumps(found)


def test_the_list_and_the_page(failed: tuple[Workshop, Running]) -> None:
    workshop, running = failed
    request_id = fail(running, "raises")
    listed = workshop.run("postmortem").stdout.splitlines()
    assert listed[0].split() == ["when", "function", "what", "where", "request"]
    assert request_id in listed[1] and "ValueError: order 7 has no price" in listed[1]
    assert json.loads(workshop.run("postmortem", "--json").stdout.splitlines()[0])["id"] == request_id
    shown = workshop.run("postmortem", "last").stdout
    assert "❱" in shown and 'raise ValueError("order %d has no price" % order.number) from error' in shown
    assert "order = Order(number=7, password=<redacted>, items=[{'sku': 'a', 'price': None}])" in shown
    assert "The exception above was the direct cause" in shown and "\x1b" not in shown
    assert "\x1b[31m" in workshop.run("postmortem", "last", "--color", "always").stdout
    done = workshop.run("postmortem", "1-nothing")
    assert done.returncode == 2 and "no post-mortem of request" in done.stderr
    assert workshop.run("postmortem", "--stdio").returncode == 2


# --- as a debug session ---


class Editor:
    """A DAP client of a post-mortem that is served."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        host, _, port = process.stdout.readline().strip().partition(":")
        self.address = (host, int(port))
        self._sock = socket.create_connection(self.address, PATIENCE_SECONDS)
        self._file = self._sock.makefile("rb")
        self._seq = 0
        self.events: list[str] = []

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        self._seq += 1
        request = {"seq": self._seq, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(request).encode()
        self._sock.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        while (said := self.said())["type"] == "event":
            self.events.append(said["event"])
        assert said["success"], said
        found: dict[str, Any] = said.get("body", {})
        return found

    def said(self) -> dict[str, Any]:
        length = int(self._file.readline().partition(b":")[2])
        self._file.readline()
        found: dict[str, Any] = json.loads(self._file.read(length))
        return found

    def close(self) -> None:
        self._file.close()
        self._sock.close()


@contextlib.contextmanager
def served(workshop: Workshop, request_id: str) -> Iterator[subprocess.Popen[str]]:
    argv = [*workshop.command, "postmortem", request_id, "--dap"]
    process = subprocess.Popen(argv, cwd=workshop.root, env=workshop.environ(), stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_it_is_browsed_as_a_debug_session_after_the_process_and_the_emulator_are_gone(workshop: Workshop) -> None:
    workshop.project(FAILING, hello={})
    with workshop.started("--json") as running:
        request_id = fail(running, "raises")
        assert running.stop() == 0
    (workshop.root / "code" / "index.py").write_text("# all new\n")
    with served(workshop, request_id) as process:
        editor = Editor(process)
        editor.ask("initialize", adapterID="debugpy")
        editor.ask("attach")
        editor.ask("setBreakpoints", source={"path": "index.py"}, breakpoints=[{"line": 1}])
        editor.ask("configurationDone")
        threads = editor.ask("threads")["threads"]
        assert "stopped" in editor.events
        assert [thread["name"] for thread in threads] == ["MainThread · ValueError", "caused by · TypeError"]
        frame, _ = editor.ask("stackTrace", threadId=1)["stackFrames"]
        assert frame["name"] == "raises"
        source = editor.ask("source", source=frame["source"], sourceReference=frame["source"]["sourceReference"])
        hidden = FAILING.replace('"hunter2"', '"<redacted>"').replace('"abc-def-123"', '"<redacted>"')
        assert source["content"] == hidden
        scope = editor.ask("scopes", frameId=frame["id"])["scopes"][0]
        (order,) = editor.ask("variables", variablesReference=scope["variablesReference"])["variables"]
        assert (order["name"], order["type"]) == ("order", "index.Order")
        inside = editor.ask("variables", variablesReference=order["variablesReference"])["variables"]
        assert [(v["name"], v["value"]) for v in inside[:2]] == [("number", "7"), ("password", "<redacted>")]
        assert editor.ask("evaluate", expression="order.items[0]['sku']", frameId=frame["id"])["result"] == "'a'"
        assert editor.ask("exceptionInfo", threadId=1)["exceptionId"] == "ValueError"
        editor.ask("continue", threadId=1)
        assert editor.said()["event"] == "terminated"
        editor.close()
        assert process.wait(PATIENCE_SECONDS) == 0


def test_a_web_page_is_cut_off_and_the_editor_is_still_served(failed: tuple[Workshop, Running]) -> None:
    workshop, running = failed
    with served(workshop, fail(running, "raises")) as process:
        assert process.stdout is not None
        host, _, port = process.stdout.readline().strip().partition(":")
        assert host == "127.0.0.1"
        body = b'{"seq": 1, "type": "request", "command": "initialize"}'
        with socket.create_connection((host, int(port)), PATIENCE_SECONDS) as page:
            page.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            with contextlib.suppress(ConnectionError):
                assert page.recv(1000) == b""
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=PATIENCE_SECONDS)) as page:
            page.request("GET", "/")
            with pytest.raises((http.client.HTTPException, ConnectionError)):
                page.getresponse()
        with socket.create_connection((host, int(port)), PATIENCE_SECONDS) as editor:
            editor.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            assert b'"success":true' in editor.recv(10_000)
        assert process.wait(PATIENCE_SECONDS) == 0


def test_it_is_served_by_stdin_and_stdout(failed: tuple[Workshop, Running]) -> None:
    workshop, running = failed
    request_id = fail(running, "raises")
    said = b""
    for seq, command in enumerate(("initialize", "disconnect"), 1):
        body = json.dumps({"seq": seq, "type": "request", "command": command}).encode()
        said += b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    done = workshop.run("postmortem", request_id, "--dap", "--stdio", input=said)
    assert done.returncode == 0 and done.stdout.startswith("Content-Length: ") and "terminated" in done.stdout


# --- settings, and what a person sees ---


def test_no_more_than_wanted_are_kept_and_none_where_none_is_wanted(workshop: Workshop) -> None:
    workshop.project(FAILING, hello={})
    with workshop.started("--json", "--postmortems-kept", "2") as running:
        ids = [fail(running, "raises") for _ in range(3)]
        assert {path.stem for path in (workshop.state / "postmortems").glob("*.json")} == set(ids[1:])
    with workshop.started("--json", "--no-postmortem") as running:
        status, _, _ = running.call("hello", json.dumps({"do": "raises"}))
        assert status == 200
        running.until(lambda e: e["kind"] == "invocation_ended")
        assert running.stop() == 0
        assert not any(e["kind"] == "post_mortem_kept" for e in running.events())
    assert workshop.run("postmortem").stdout.count("ValueError") == 2


def test_a_person_at_a_terminal_is_told_and_a_pipe_is_not(workshop: Workshop) -> None:
    workshop.project(FAILING, hello={})
    assert "post-mortem" not in workshop.run("invoke", "hello", "-e", '{"do": "raises"}').stderr
    argv = [*workshop.command, "invoke", "hello", "-e", '{"do": "raises"}']
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        argv, cwd=workshop.root, env=workshop.environ(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    text = b""
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes any more
        while piece := os.read(ours, 65536):
            text += piece
    os.close(ours)
    process.communicate()
    assert process.returncode == 1
    found = re.search(rb"fclocal: post-mortem: fclocal postmortem (\S+?)(?:\x1b|\r)", text)
    assert found is not None, text
    assert workshop.run("postmortem", found[1].decode()).returncode == 0


def test_an_error_of_node_has_its_stack(workshop: Workshop) -> None:
    code = "function total(o) {\n  return o.items.length;\n}\nexports.handler = (event) => {\n  total({});\n};\n"
    workshop.project(js={"runtime": "nodejs20", "handler": "index.handler"})
    workshop.write({"code/index.js": code})
    with workshop.started("--json") as running:
        request_id = fail(running, "x", "js")
        found = bundle(workshop, request_id)
    assert found["kind"] == "exception" and found["where"] == "index.js:2 in total"
    assert found["dump"]["sources"]["/code/index.js"] == [[1, code]]
    shown = workshop.run("postmortem", request_id).stdout
    assert "return o.items.length" in shown and "Variables are recorded for Python only." in shown


def test_a_crowd_of_failures_is_answered_and_some_are_kept(workshop: Workshop) -> None:
    workshop.project(FAILING, hello={})
    with workshop.started("--json", "--postmortems-kept", "5") as running:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: running.call("hello", '{"do": "raises"}'), range(100)))
        assert all("order 7 has no price" in body for _, body, _ in answers)
        running.until(lambda e: e["kind"] == "post_mortem_kept", 5)
        assert running.stop() == 0
    assert len(list((workshop.state / "postmortems").iterdir())) == 5
