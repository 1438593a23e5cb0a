"""What does not depend on the interpreter: who may attach, what is shown, what becomes of time limits."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.debug.debug_functions import LOOP, PAIR, SHORT_SECONDS, write_functions
from tests.support.command import PATIENCE_SECONDS, Running, Workshop
from tests.support.dap_client import DapClient, Refused, attached
from tests.support.debug_project import Calls, DebugProject, calls, pythons


@pytest.fixture
def project(tmp_path: Path) -> DebugProject:
    return DebugProject(Workshop(tmp_path), pythons()[-1])


@contextlib.contextmanager
def started(project: DebugProject, *arguments: str) -> Iterator[tuple[Running, Calls, int]]:
    """The emulator, calls of it, and the port that editors attach to."""
    with project.workshop.started("--json", *project.arguments, *arguments) as running, calls(running) as invoke:
        yield running, invoke, int(running.endpoint["debug_port"])


def test_the_port_is_the_same_at_every_start(project: DebugProject) -> None:
    project.function("pair", PAIR)
    ports = []
    for _ in range(2):
        with started(project) as (running, _invoke, port):
            ports.append(port)
            kept = json.loads((project.workshop.state / "debug.json").read_text())
            assert running.stop() == 0
    assert ports == [kept["python"]] * 2
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", ports[0]))
        holder.listen()
        with started(project) as (running, _invoke, port):
            assert port != ports[0]
            running.until(lambda e: e["kind"] == "notice" and str(ports[0]) in e["message"])


def test_a_web_page_that_speaks_http_to_the_port_is_cut_off(project: DebugProject) -> None:
    project.function("pair", PAIR)
    body = json.dumps({"seq": 1, "type": "request", "command": "initialize", "arguments": {}})
    message = f"Content-Length: {len(body)}\r\n\r\n{body}"
    with started(project) as (_running, _invoke, port):
        for said in (
            f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(message)}\r\n\r\n{message}",
            f"Content-Length: 2\r\nHost: x\r\n\r\n{message}",
            f"GET / HTTP/1.1\r\n\r\n{message}",
            "\x16\x03\x01\x02\x00\x01\x00",
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as page:
                page.sendall(said.encode("latin-1"))
                page.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionError):
                    assert page.recv(1) == b""
        with attached(port) as editor:
            assert editor.threads() == {}


def test_only_threads_of_the_function_are_shown(project: DebugProject) -> None:
    """Also where it was attached at its birth, before the thread that listens to the emulator was there."""
    project.function("pair", PAIR)
    with started(project) as (_running, invoke, port), attached(port, project.at("pair", "stand")) as editor:
        for number in (1, 2):
            answer = invoke.begin("pair", "x")
            stop = editor.stopped()
            assert set(editor.threads().values()) == {"pair#1 · MainThread"}, f"call {number}"
            assert "pair#1" in stop.evaluate("!instances"), "also while something stands"
            stop.go()
            assert answer.result() == (200, "x!")


def test_it_stops_where_the_editor_was_told_that_it_would(project: DebugProject) -> None:
    """A breakpoint on a line without code is moved: the same way by us, who answer first, and by each instance."""
    code = "def handler(event, context):\n    one = 1\n\n\n    two = one + 1\n    return str(two)\n"
    project.function("gaps", code)
    with started(project) as (_running, invoke, port), DapClient(port) as editor:
        [told] = editor.attach({project.path("gaps"): [3]})[project.path("gaps")]
        answer = invoke.begin("gaps")
        stop = editor.stopped()
        assert (told["verified"], told["line"], stop.line) == (True, 5, 5)
        stop.go()
        assert answer.result() == (200, "2")


def test_a_breakpoint_goes_along_with_code_that_a_save_has_moved(project: DebugProject) -> None:
    """An editor moves its own marks, and would move them twice if it was told of their new lines."""
    project.function("gaps", "def handler(event, context):\n    one = 1\n    return str(one)\n")
    path = project.path("gaps")
    with started(project) as (running, invoke, port), DapClient(port) as editor:
        [told] = editor.attach({path: [2]})[path]
        assert (told["verified"], told["line"]) == (True, 2)
        Path(path).write_text("def handler(event, context):\n\n    one = 1\n    return str(one)\n")
        running.until(lambda event: event["kind"] == "revision_deployed" and event["revision"] == 2)
        answer = invoke.begin("gaps")
        stop = editor.stopped()
        assert stop.line == 3
        stop.go()
        assert answer.result() == (200, "1")
        assert not any("line" in body["breakpoint"] for body in editor.seen("breakpoint"))


def test_a_breakpoint_whose_file_can_not_run_any_more_is_told(project: DebugProject) -> None:
    project.function("gaps", "def handler(event, context):\n    return 'one'\n")
    path = project.path("gaps")
    with started(project) as (_running, _invoke, port), DapClient(port) as editor:
        [told] = editor.attach({path: [2]})[path]
        Path(path).write_text("# all of it is gone\n\n")
        said = editor.event("breakpoint", lambda body: body["breakpoint"]["id"] == told["id"])["breakpoint"]
        assert (said["verified"], said["message"]) == (False, "no code in this line, nor in those that follow")


def test_a_change_that_is_refused_is_told_in_the_debug_console(project: DebugProject) -> None:
    project.function("pair", PAIR)
    with started(project) as (running, _invoke, port), attached(port, project.at("pair", "stand")) as editor:
        path = Path(project.path("pair"))
        path.write_text(path.read_text() + "def broken(:\n")
        running.until(lambda e: e["kind"] == "revision_refused")
        told = editor.event("output", lambda body: "was not reloaded" in body["output"])
        assert told["output"].startswith("pair was not reloaded: ") and path.name in told["output"]


def test_a_second_editor_is_refused_until_the_first_has_left(project: DebugProject) -> None:
    project.function("pair", PAIR)
    with started(project) as (_running, invoke, port):
        with attached(port, project.at("pair", "stand")) as first:
            with DapClient(port) as second, pytest.raises(Refused, match="another editor is attached"):
                second.initialize()
            answer = invoke.begin("pair", "x")
            first.stopped().go()
            assert answer.result() == (200, "x!")
        with attached(port, project.at("pair", "stand")) as second:
            answer = invoke.begin("pair", "y")
            second.stopped().go()
            assert answer.result() == (200, "y!")


def test_all_stops_are_shown_at_once_on_request(project: DebugProject) -> None:
    project.function("pair", PAIR)
    with (
        started(project, "--debug-stops", "all") as (_running, invoke, port),
        attached(port, project.at("pair", "stand")) as editor,
    ):
        answers = [invoke.begin("pair", name) for name in ("one", "two")]
        stops = [editor.stopped(), editor.stopped()]
        assert {stop.evaluate("name") for stop in stops} == {"'one'", "'two'"}
        for stop in stops:
            stop.go()
        assert sorted(answer.result()[1] for answer in answers) == ["one!", "two!"]


def test_with_debug_and_no_editor_nothing_waits(project: DebugProject) -> None:
    write_functions(project)
    with started(project, "--debug") as (running, invoke, port):
        assert invoke.begin("pair", "alone").result() == (200, "alone!")
        assert invoke.begin("ask").result() == (200, "passed")
        assert "ZeroDivisionError" in invoke.begin("fail").result()[1]
        spans = running.until(lambda e: e["kind"] == "span" and e["name"] == "debugger", 3)
        assert {span["function"] for span in spans} == {"pair", "ask", "fail"}
        with attached(port, project.at("pair", "stand")) as editor:
            answer = invoke.begin("pair", "later")
            editor.stopped().go()
            assert answer.result() == (200, "later!")


def test_a_function_that_runs_out_of_time_is_shown_before_it_is_killed(project: DebugProject) -> None:
    project.function("loop", LOOP, timeout=SHORT_SECONDS)
    with started(project) as (running, invoke, port):
        with attached(port) as editor:
            answer = invoke.begin("loop", "sleep")
            stop = editor.stopped()
            assert stop.body["description"].startswith("Timed out in loop#")
            assert stop.frames()[0]["name"] == "handler"
            assert not answer.done()
            stop.go()
            assert "timed out" in answer.result()[1]
        running.until(lambda e: e.get("reason") == "timeout")


@pytest.mark.parametrize(("timeout", "word"), [("real", "timed out"), ("off", "stopped")])
def test_time_limits_run_on_or_are_off_on_request(project: DebugProject, timeout: str, word: str) -> None:
    project.function("loop", LOOP, timeout=SHORT_SECONDS)
    with (
        started(project, "--debug-timeout", timeout) as (_running, invoke, port),
        attached(port, project.at("loop", "round")) as editor,
    ):
        answer = invoke.begin("loop", "sleep")
        stop = editor.stopped()
        if timeout == "off":
            reference = editor.ask("scopes", frameId=stop.frames()[0]["id"])["scopes"][0]["variablesReference"]
            editor.ask("setVariable", variablesReference=reference, name="stop", value="True")
            stop.go()
        assert word in answer.result()[1]


def test_restart_gives_every_function_a_new_instance(project: DebugProject) -> None:
    project.function("pair", PAIR)
    with started(project) as (_running, invoke, port), attached(port, project.at("pair", "stand")) as editor:
        names = []
        for _ in range(2):
            answer = invoke.begin("pair", "x")
            stop = editor.stopped()
            names.append(stop.name)
            assert "pair#" in editor.ask("evaluate", expression="!instances")["result"]
            editor.ask("restart")
            assert answer.result() == (200, "x!")
        assert len(set(names)) == 2
