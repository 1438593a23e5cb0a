"""Node.js under js-debug itself, the debugger of VS Code: what the scripted editor takes from it holds."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from node_calls import INSTANCE, Caller, process_id
from node_project import NodeProject, node_port

from tests.support.command import Workshop
from tests.support.js_debug import attached_js_debug, js_debug

ANSWERED = 200


@pytest.fixture
def node(tmp_path: Path) -> NodeProject:
    """Below a folder whose name a URL spells otherwise."""
    js_debug()
    folder = tmp_path / "my functions (1)"
    folder.mkdir()
    return NodeProject(Workshop(folder))


def test_stops_of_a_cold_start_and_values(node: NodeProject) -> None:
    node.write(handler={"instanceLifecycleConfig": {"initializer": {"handler": "index.initialize", "timeout": 3}}})
    marks = ("module", "initializer", "handler")
    with node.workshop.started() as running, attached_js_debug(node_port(running), node.file.parent) as debugger:
        answer = Caller(running)("handler", "event")
        session = debugger.session()
        assert session.name == "handler#1"
        session.begin(node.file, [node.line(mark) for mark in marks])
        for mark in marks:
            stop = session.stopped()
            assert (stop.path, stop.line) == (str(node.file), node.line(mark))
            if mark == "handler":
                assert stop.evaluate("count + 1") == "102"
                stop = stop.step()
                assert stop.line == node.line("handler") + 1
                assert stop.variables()["text"] == "'event'"
            stop.go()
        assert answer.result()[:2] == (ANSWERED, "event 101")


def test_two_instances_are_paused_one_is_killed_and_another_comes(node: NodeProject) -> None:
    node.write(handler={})
    with (
        node.workshop.started("--json") as running,
        attached_js_debug(node_port(running), node.file.parent) as debugger,
    ):
        call = Caller(running)
        first_answer = call("handler", "a")
        first = debugger.session()
        first.begin(node.file, [node.line("handler")])
        first_stop = first.stopped()
        second_answer = call("handler", "b")
        second = debugger.session()
        second.begin(node.file, [node.line("handler")])
        second_stop = second.stopped()

        os.kill(process_id(running, second_stop.evaluate(INSTANCE).strip("'")), signal.SIGKILL)
        second.event("terminated")
        running.until_state("stopped")
        assert second_answer.result()[1] != "b 1"

        third_answer = call("handler", "c")
        third = debugger.session()
        third.begin(node.file, [node.line("module")])
        third.stopped().go()
        assert third_answer.result()[:2] == (ANSWERED, "c 1")
        first_stop.go()
        assert first_answer.result()[:2] == (ANSWERED, "a 1")


def test_it_comes_into_a_loop(node: NodeProject) -> None:
    node.write(loop={"timeout": 60})
    with node.workshop.started("--json") as running:
        answer = Caller(running)("loop")
        running.until(lambda event: event["kind"] == "log_line" and "load code" in str(event))
        with attached_js_debug(node_port(running), node.file.parent) as debugger:
            session = debugger.session()
            session.begin(node.file, [node.line("loop")])
            stop = session.stopped()
            assert stop.line == node.line("loop")
            stop.evaluate("turns = -2")
            session.set_breakpoints(str(node.file))
            stop.go()
            assert answer.result()[:2] == (ANSWERED, "left true")


def test_logpoints_the_console_and_exceptions(node: NodeProject) -> None:
    node.write(log={}, late={})
    with node.workshop.started() as running, attached_js_debug(node_port(running), node.file.parent) as debugger:
        call = Caller(running)
        answer = call("log", "event")
        session = debugger.session()
        session.begin(node.file, [{"line": node.line("print"), "logMessage": "seen {String(event)}"}])
        assert answer.result()[1] == "logged"
        for text in ("seen event", "printed"):
            told = session.event("output", lambda body, text=text: text in body["output"])
            assert (told["source"]["path"], told["line"]) == (str(node.file), node.line("print"))

        answer = call("late")
        session = debugger.session()
        session.begin(node.file, exceptions=["uncaught"])
        stop = session.stopped()
        assert (stop.body["reason"], stop.line) == ("exception", node.line("late"))
        stop.go()
        assert '"errorMessage":"late"' in answer.result()[1]


def test_a_breakpoint_moves_with_an_edit(node: NodeProject) -> None:
    node.write(handler={})
    with (
        node.workshop.started("--json") as running,
        attached_js_debug(node_port(running), node.file.parent) as debugger,
    ):
        call = Caller(running)
        answer = call("handler")
        session = debugger.session()
        session.begin(node.file, [node.line("handler")])
        session.stopped().go()
        answer.result()
        node.save("// One\n// Two\n" + node.file.read_text())
        running.until(lambda event: event["kind"] == "revision_deployed", 2)
        session.event("terminated")

        answer = call("handler")
        session = debugger.session()
        session.begin(node.file, [node.line("handler")])
        stop = session.stopped()
        instance = stop.evaluate(INSTANCE).strip("'")
        stop.go()
        answer.result()
        node.save("// One\n// Two\n" + node.file.read_text())
        os.kill(process_id(running, instance), signal.SIGKILL)
        running.until_state("stopped")
        session.event("terminated")

        answer = call("handler")
        session = debugger.session()
        session.begin(node.file, [node.line("handler")])
        stop = session.stopped()
        assert stop.line == node.line("handler")
        stop.go()
        assert answer.result()[:2] == (ANSWERED, " 1")
