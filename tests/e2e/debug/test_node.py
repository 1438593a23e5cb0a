"""Node.js under a debugger: one editor attaches once, and instances come, stop, go on and go.

The editor is a scripted one that says what js-debug says (`test_node_js_debug.py` has the real one).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest
from node_calls import INSTANCE, Caller, process_id
from node_project import CODE, NodeProject, node_port

from tests.support.cdp import editor
from tests.support.command import RUNGS, Running, eventually, need_rung

TIMEOUT_SECONDS = 1
# Twice what would have ended it.
PAUSE_SECONDS = 2.0
ANSWERED = 200


def listeners(running: Running) -> list[str]:
    """Lines of /proc/net/tcp about ports that processes of instances listen on."""
    inodes = set()
    for pid in running.processes():
        with contextlib.suppress(OSError):
            links = [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]
            inodes |= {link.removeprefix("socket:[").removesuffix("]") for link in links}
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return [line for line in lines if line.split()[3] == "0A" and line.split()[9] in inodes]


@pytest.mark.parametrize("rung", RUNGS)
def test_every_place_of_a_cold_start_can_be_stopped_at(node: NodeProject, rung: str) -> None:
    need_rung(rung)
    node.write(handler={"instanceLifecycleConfig": {"initializer": {"handler": "index.initialize", "timeout": 3}}})
    with node.workshop.started("--walls", rung) as running, editor(node_port(running)) as attached:
        answer = Caller(running)("handler", "event")
        process = attached.process()
        assert process.name == "handler#1"
        process.begin(*node.at("module", "initializer", "handler"))

        for mark in ("module", "initializer", "handler"):
            stop = process.stopped()
            assert (stop.path, stop.line) == (str(node.file), node.line(mark))
            if mark == "handler":
                assert stop.function == "exports.handler"
                assert stop.evaluate("count + ' ' + String(event)") == "101 event"
            process.resume()
        assert answer.result()[:2] == (ANSWERED, "event 101")


def test_a_spare_stops_at_every_place_of_its_start(node: NodeProject) -> None:
    """Breakpoints are there before it has its code; the editor came before it was parked, and stays."""
    node.write(handler={"instanceLifecycleConfig": {"initializer": {"handler": "index.initialize", "timeout": 3}}})
    with node.workshop.started("--json") as running, editor(node_port(running)) as attached:
        first = Caller(running)("handler", "event")
        attached.process().begin()
        assert first.result()[:2] == (ANSWERED, "event 101")
        for number in range(1000):
            node.save(CODE + f"// {number}\n")
            answer = Caller(running)("handler", "event")
            process = attached.process()
            process.begin(*node.at("module", "handler"))
            for mark in ("module", "handler"):
                stop = process.stopped()
                assert (stop.path, stop.line) == (str(node.file), node.line(mark))
                process.resume()
            assert answer.result()[:2] == (ANSWERED, "event 101")
            started = running.until(lambda event: event["kind"] == "instance_started", number + 2)
            if started[-1]["start"] == "spare":
                return


def test_time_stands_still_at_a_breakpoint(node: NodeProject) -> None:
    node.write(handler={"timeout": TIMEOUT_SECONDS})
    with node.workshop.started("--json") as running, editor(node_port(running)) as attached:
        answer = Caller(running)("handler")
        process = attached.process()
        process.begin(*node.at("handler"))
        process.stopped()
        time.sleep(PAUSE_SECONDS)
        assert not answer.done()
        process.resume()
        assert answer.result()[:2] == (ANSWERED, " 1")
        (ended,) = running.until(lambda event: event["kind"] == "invocation_ended")
        assert ended["duration_ms"] < TIMEOUT_SECONDS * 1000


def test_a_second_instance_comes_while_the_first_is_paused(node: NodeProject) -> None:
    node.write(handler={})
    with node.workshop.started() as running, editor(node_port(running)) as attached:
        call = Caller(running)
        first_answer = call("handler", "a")
        first = attached.process()
        first.begin(*node.at("handler"))
        first_stop = first.stopped()
        second_answer = call("handler", "b")
        second = attached.process()
        second.begin(*node.at("module"))
        assert second.stopped().line == node.line("module")
        assert (first.name, second.name) == ("handler#1", "handler#2")

        assert first_stop.evaluate("String(event)") == "a"
        first.ask("Debugger.stepOver")
        assert first.stopped().line == node.line("handler") + 1
        second.resume()
        assert second_answer.result()[:2] == (ANSWERED, "b 1")
        assert not first_answer.done()
        first.resume()
        assert first_answer.result()[:2] == (ANSWERED, "a 1")


def test_an_instance_that_is_killed_while_paused_leaves_the_others(node: NodeProject) -> None:
    node.write(handler={})
    with node.workshop.started() as running, editor(node_port(running)) as attached:
        call = Caller(running)
        answer = call("handler")
        process = attached.process()
        process.begin(*node.at("handler"))
        instance = process.stopped().evaluate(INSTANCE)
        os.kill(process_id(running, instance), signal.SIGKILL)
        attached.until(lambda: process.gone, "the end of the process")
        assert answer.result()[0] != ANSWERED or "x-fc-error-type" in answer.result()[2]

        again = call("handler", "again")
        another = attached.process()
        another.begin(*node.at("handler"))
        another.stopped()
        another.resume()
        assert again.result()[:2] == (ANSWERED, "again 1")


def test_a_breakpoint_set_while_frozen_is_hit_by_the_next_request(node: NodeProject) -> None:
    node.write(handler={})
    with node.workshop.started("--json", "--freeze-after-ms", "0") as running:
        call = Caller(running)
        assert running.call("handler")[0] == ANSWERED
        running.until_state("frozen")
        with editor(node_port(running)) as attached:
            # It comes in when it is thawed: the request waits for the breakpoints.
            answer = call("handler", "first")
            process = attached.process()
            process.begin(*node.at("handler"))
            process.stopped()
            process.resume()
            assert answer.result()[:2] == (ANSWERED, "first 2")
            running.until_state("frozen", 2)

            pattern = f"file://{node.file}".replace("/", r"\/").replace(".", r"\.").replace("-", r"\-")
            process.send("Debugger.setBreakpointByUrl", urlRegex=pattern, lineNumber=node.line("handler"))
            answer = call("handler", "second")
            assert process.stopped().line == node.line("handler")
            process.resume()
            assert process.stopped().line == node.line("handler") + 1
            process.resume()
            assert answer.result()[:2] == (ANSWERED, "second 3")


def test_after_an_edit_the_moved_line_is_hit(node: NodeProject) -> None:
    node.write(handler={})
    with node.workshop.started("--json") as running, editor(node_port(running)) as attached:
        call = Caller(running)
        answer = call("handler")
        process = attached.process()
        process.begin(*node.at("handler"))
        before = process.stopped().line
        process.resume()
        answer.result()
        node.save("// One\n// Two\n" + node.file.read_text().replace("text + ' '", "text + ' new '"))
        running.until(lambda event: event["kind"] == "revision_deployed", 2)
        attached.until(lambda: process.gone, "the end of the old code")

        answer = call("handler")
        process = attached.process()
        process.begin(*node.at("handler"))
        assert process.stopped().line == before + 2
        process.resume()
        assert answer.result()[:2] == (ANSWERED, " new 1")


def test_old_code_that_is_paused_over_a_reload_keeps_its_breakpoints(node: NodeProject) -> None:
    node.write(handler={})
    with node.workshop.started("--json") as running, editor(node_port(running)) as attached:
        call = Caller(running)
        old_answer = call("handler", "old")
        old = attached.process()
        old.begin(*node.at("handler"))
        old.stopped()
        node.save("// One\n" + node.file.read_text().replace("text + ' '", "text + ' new '"))
        running.until(lambda event: event["kind"] == "revision_deployed", 2)

        new_answer = call("handler", "new")
        new = attached.process()
        new.begin(*node.at("handler"))
        assert old.set_breakpoint(node.file, node.line("handler"))["locations"] == []
        assert new.stopped().line == node.line("handler")
        new.resume()
        old.resume()
        assert (new_answer.result()[1], old_answer.result()[1]) == ("new new 1", "old 1")


@pytest.mark.parametrize("rung", RUNGS)
def test_an_editor_comes_into_a_loop_that_runs(node: NodeProject, rung: str) -> None:
    need_rung(rung)
    node.write(loop={"timeout": 60})
    with node.workshop.started("--json", "--walls", rung) as running:
        answer = Caller(running)("loop")
        running.until(lambda event: event["kind"] == "log_line" and "load code" in str(event))
        with editor(node_port(running)) as attached:
            process = attached.process()
            process.begin(*node.at("loop"))
            stop = process.stopped()
            assert (stop.function, stop.line) == ("exports.loop", node.line("loop"))
            stop.evaluate("turns = -2")
            assert listeners(running) == [], "the inspector's own port is closed again"
            process.ask("Debugger.disable")
            assert answer.result()[:2] == (ANSWERED, "left true")


def is_frozen_after(running: Running, calls: int) -> bool:
    """The only instance, when so many calls have ended."""
    events = running.events()
    moves = [event["after"] for event in events if event["kind"] == "instance_moved"]
    return sum(event["kind"] == "invocation_ended" for event in events) == calls and moves[-1] == "frozen"


def test_an_editor_that_crashes_leaves_everything_running(node: NodeProject) -> None:
    node.write(handler={})
    with node.workshop.started("--json") as running:
        with editor(node_port(running)) as attached:
            answer = Caller(running)("handler", "on")
            process = attached.process()
            process.begin(*node.at("handler"))
            process.stopped()
            attached.crash()
        assert answer.result()[:2] == (ANSWERED, "on 1")
        assert running.call("handler", "alone")[:2] == (ANSWERED, "alone 2")
        # One that is awake serves a call while it is only being attached; and it was frozen before this one, too.
        eventually(lambda: is_frozen_after(running, calls=2), "the instance is frozen")

        with editor(node_port(running)) as attached:
            answer = Caller(running)("handler", "again")
            process = attached.process()
            process.begin(*node.at("handler"))
            process.stopped()
            process.resume()
            assert answer.result()[:2] == (ANSWERED, "again 3")


def test_without_an_editor_nothing_waits(node: NodeProject) -> None:
    node.write(handler={})
    with node.workshop.started() as running:
        assert running.call("handler")[:2] == (ANSWERED, " 1")
        assert running.call("handler")[:2] == (ANSWERED, " 2")


def test_an_editor_that_says_nothing_keeps_nobody_waiting_for_ever(node: NodeProject) -> None:
    node.write(handler={})
    with node.workshop.started() as running, editor(node_port(running)):
        assert running.call("handler")[:2] == (ANSWERED, " 1")


def test_two_functions_are_in_one_session(node: NodeProject) -> None:
    node.write(handler={}, other={"handler": "index.handler"})
    with node.workshop.started() as running, editor(node_port(running)) as attached:
        call = Caller(running)
        processes = {}
        answers = []
        for function in ("handler", "other"):
            answers.append(call(function, function))
            processes[function] = attached.process()
            processes[function].begin(*node.at("handler"))
        assert [it.name for it in processes.values()] == ["handler#1", "other#1"]
        for function, process in processes.items():
            assert process.stopped().evaluate("String(event)") == function
            process.resume()
        assert [answer.result()[1] for answer in answers] == ["handler 1", "other 1"]


def test_a_logpoint_and_the_console_reach_the_editor_from_where_they_are(node: NodeProject) -> None:
    node.write(log={})
    with node.workshop.started() as running, editor(node_port(running)) as attached:
        answer = Caller(running)("log", "event")
        process = attached.process()
        process.ask("Runtime.enable")
        process.ask("Debugger.enable")
        process.set_breakpoint(node.file, node.line("print"), "(console.log('seen', String(event)), false)")
        process.begin()
        assert answer.result()[1] == "logged"
        told = [process.event("Runtime.consoleAPICalled") for _ in range(2)]
        assert [it["args"][0]["value"] for it in told] == ["seen", "printed"]
        assert told[0]["args"][1]["value"] == "event"
        frame = told[1]["stackTrace"]["callFrames"][0]
        assert (frame["url"], frame["lineNumber"] + 1) == (f"file://{node.file}", node.line("print"))
        eventually(lambda: "printed { one: 1 }" in running.out, "the line in the function's log")


@pytest.mark.parametrize("function", ["sync", "late"])
def test_what_no_handler_catches_stops_where_it_is_thrown(node: NodeProject, function: str) -> None:
    node.write(**{function: {}})
    with node.workshop.started("--json") as running:
        alone = running.call(function)
        # One that is awake serves the next call while it is only being attached.
        running.until_state("frozen", function=function)
        with editor(node_port(running)) as attached:
            answer = Caller(running)(function)
            process = attached.process()
            process.begin(state="uncaught")
            stop = process.stopped()
            assert (stop.reason, stop.line) in [
                ("exception", node.line(function)),
                ("promiseRejection", node.line(function)),
            ]
            process.resume()
            status, body, headers = answer.result()
        assert status == alone[0]
        assert headers["x-fc-error-type"] == alone[2]["x-fc-error-type"] == "UnhandledInvocationError"
        assert f'"errorMessage":"{function}"' in body
        assert f'"errorMessage":"{function}"' in running.call(function)[1]


def test_what_a_handler_catches_does_not_stop(node: NodeProject) -> None:
    node.write(caught={})
    with node.workshop.started() as running, editor(node_port(running)) as attached:
        answer = Caller(running)("caught")
        process = attached.process()
        process.begin(state="uncaught")
        assert answer.result()[:2] == (ANSWERED, "caught")
        assert not [event for event in process.events if event["method"] == "Debugger.paused"]


def test_a_function_that_runs_into_its_timeout_is_shown_first(node: NodeProject) -> None:
    node.write(loop={"timeout": TIMEOUT_SECONDS})
    with node.workshop.started() as running, editor(node_port(running)) as attached:
        answer = Caller(running)("loop")
        process = attached.process()
        process.begin()
        assert process.stopped().function == "exports.loop"
        assert not answer.done()
        process.ask("Debugger.resume")
        assert "timed out" in answer.result()[1]


def test_worker_threads_of_a_function_run_undisturbed(node: NodeProject) -> None:
    node.write(
        "const { Worker } = require('worker_threads');\n"
        "exports.handler = (event, context, callback) => {\n"
        "  const worker = new Worker(\"require('worker_threads').parentPort.postMessage(6 * 7)\", { eval: true });\n"
        "  worker.on('message', (answer) => callback(null, String(answer)));  // @handler\n"
        "};\n",
        handler={},
    )
    with node.workshop.started() as running, editor(node_port(running)) as attached:
        answer = Caller(running)("handler")
        process = attached.process()
        process.ask("NodeWorker.enable", waitForDebuggerOnStart=True)
        process.begin(*node.at("handler"))
        process.stopped()
        process.resume()
        assert answer.result()[:2] == (ANSWERED, "42")
