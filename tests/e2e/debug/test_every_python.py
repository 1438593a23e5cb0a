"""One editor and many instances, on every Python that can be debugged: stops, pauses, deaths, freezes, reloads."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.debug.debug_functions import SHORT_SECONDS
from tests.support.command import Running, eventually
from tests.support.dap_client import DapClient, Refused, Stop
from tests.support.debug_project import Calls, DebugProject, kill_instance


def test_it_stops_at_module_level_in_the_initializer_and_in_the_handler(
    project: DebugProject, running: Running, invoke: Calls, editor: DapClient
) -> None:
    shown = editor.attach(project.at("walk", "module", "initializer", "handler"))
    assert [each["verified"] for each in shown[project.path("walk")]] == [True, True, True]
    assert editor.threads() == {}
    answer = invoke.begin("walk", "20")
    for mark in ("module", "initializer"):
        stop = editor.stopped()
        assert (stop.path, stop.line) == (project.path("walk"), project.line("walk", mark))
        assert stop.name.startswith("walk#") and stop.name.endswith("MainThread")
        assert stop.body["allThreadsStopped"] is False
        assert list(editor.threads().values()) == [stop.name], "threads of ours are not shown"
        # Longer than every limit: the request, the initializer and its instance live on.
        time.sleep(SHORT_SECONDS * 1.5)
        stop.go()
    stop = editor.stopped()
    assert stop.line == project.line("walk", "handler")
    assert stop.variables()["n"] == "20"
    assert [frame["name"] for frame in stop.frames()] == ["handler"]
    time.sleep(SHORT_SECONDS * 1.5)
    stop = stop.step()
    assert stop.line == project.line("walk", "next")
    assert stop.evaluate("doubled + ready") == "41"
    stop.go()
    assert answer.result() == (200, "41")
    editor.disconnect()


def test_a_second_instance_waits_until_the_user_is_done_with_the_first(
    project: DebugProject, running: Running, invoke: Calls, editor: DapClient
) -> None:
    editor.attach(project.at("pair", "stand"))
    first_answer = invoke.begin("pair", "one")
    first = editor.stopped()
    second_answer = invoke.begin("pair", "two")
    eventually(lambda: len(standing(running, "pair")) == 2, "the second stands, too")
    assert len({name.partition(" ")[0] for name in editor.threads().values() if name.startswith("pair#")}) == 2
    assert first.evaluate("name") == "'one'"
    first = first.step()
    assert first.line == project.line("pair", "next")
    assert editor.seen("stopped") == []
    first.go()
    second = editor.stopped()
    assert second.thread != first.thread and second.evaluate("name") == "'two'"
    assert first_answer.result() == (200, "one!")
    assert not second_answer.done()
    second.go()
    assert second_answer.result() == (200, "two!")
    editor.disconnect()


def standing(running: Running, function: str) -> set[str]:
    """Instances that are paused now, as far as the journal tells."""
    found = set()
    for event in running.events():
        if event.get("function") == function and event["kind"] == "instance_paused":
            found.add(event["instance_id"])
        elif event.get("function") == function and event["kind"] == "instance_resumed":
            found.discard(event["instance_id"])
    return found


def instance_of(stop: Stop) -> str:
    return stop.evaluate("__import__('os').environ['FC_INSTANCE_ID']").strip("'")


def test_an_instance_that_is_killed_while_it_stands_leaves_the_session(
    project: DebugProject, invoke: Calls, editor: DapClient
) -> None:
    editor.attach(project.at("pair", "stand"))
    answer = invoke.begin("pair", "killed")
    stop = editor.stopped()
    kill_instance(instance_of(stop))
    # Instances of other tests may end now, too.
    editor.event("thread", lambda body: (body["reason"], body["threadId"]) == ("exited", stop.thread))
    assert "exited" in answer.result()[1]
    with pytest.raises(Refused, match="has ended"):
        stop.frames()
    again = invoke.begin("pair", "again")
    editor.stopped().go()
    assert again.result() == (200, "again!")
    editor.disconnect()


def test_a_breakpoint_that_is_set_while_an_instance_is_frozen_is_hit_after_the_thaw(
    project: DebugProject, running: Running, invoke: Calls, editor: DapClient
) -> None:
    editor.attach()
    assert invoke.begin("count", "first").result() == (200, "first")
    running.until_state("frozen", function="count")
    names = editor.threads().values()
    assert any(name.startswith("count#") and name.endswith("(frozen)") for name in names), names
    editor.set_breakpoints(project.path("count"), project.line("count", "later"))
    answer = invoke.begin("count", "second")
    stop = editor.stopped()
    assert (stop.line, stop.evaluate("calls")) == (project.line("count", "later"), "2")
    stop.go()
    assert answer.result() == (200, "2")
    editor.disconnect()


def test_an_edit_that_shifts_lines_is_hit_in_the_next_instance(
    project: DebugProject, invoke: Calls, editor: DapClient
) -> None:
    file = Path(project.path("move"))
    editor.attach(project.at("move", "answer"))
    answer = invoke.begin("move")
    stop = editor.stopped()
    assert stop.evaluate("found") == "1"
    file.write_text("# one line more\n" + file.read_text().replace("VERSION = 1", "VERSION = 2"))
    editor.set_breakpoints(str(file), project.line("move", "answer"))
    kill_instance(instance_of(stop))
    assert "exited" in answer.result()[1]
    answer = invoke.begin("move")
    stop = editor.stopped()
    assert (stop.line, stop.evaluate("found")) == (project.line("move", "answer"), "2")
    stop.go()
    assert answer.result() == (200, "2")
    editor.disconnect()


@pytest.mark.parametrize("kind", ["sleep", "compute"])
def test_an_editor_can_attach_to_a_loop_that_runs_already(
    project: DebugProject, running: Running, invoke: Calls, editor: DapClient, kind: str
) -> None:
    before = len(running.until(lambda e: True, 0))
    answer = invoke.begin("loop", kind)
    loops = 1 + _started(running, before)
    running.until(lambda e: e["kind"] == "invocation_started" and e["function"] == "loop", loops)
    editor.attach(project.at("loop", "round"))
    stop = editor.stopped()
    assert stop.line == project.line("loop", "round")
    reference = editor.ask("scopes", frameId=stop.frames()[0]["id"])["scopes"][0]["variablesReference"]
    assert editor.ask("setVariable", variablesReference=reference, name="stop", value="True")["value"] == "True"
    editor.set_breakpoints(project.path("loop"))
    stop.go()
    assert answer.result() == (200, "stopped")
    editor.disconnect()


def _started(running: Running, before: int) -> int:
    """How many invocations of `loop` had begun among the first events."""
    events = running.events()[:before]
    return sum(event["kind"] == "invocation_started" and event["function"] == "loop" for event in events)


def test_what_stands_runs_on_when_the_editor_crashes(project: DebugProject, invoke: Calls, editor: DapClient) -> None:
    editor.attach(project.at("pair", "stand"))
    answer = invoke.begin("pair", "left alone")
    editor.stopped()
    editor.crash()
    assert answer.result() == (200, "left alone!")


def test_two_functions_are_one_session(project: DebugProject, invoke: Calls, editor: DapClient) -> None:
    editor.attach({**project.at("pair", "stand"), **project.at("move", "answer")})
    for name in ("pair", "move"):
        answer = invoke.begin(name)
        stop = editor.stopped()
        assert stop.path == project.path(name) and stop.name.startswith(f"{name}#")
        stop.go()
        assert answer.result()[0] == 200
    editor.disconnect()


def test_a_logpoint_prints_and_does_not_stop(project: DebugProject, invoke: Calls, editor: DapClient) -> None:
    spec = {"line": project.line("pair", "next"), "logMessage": "name is {name}"}
    editor.attach({project.path("pair"): [spec]})
    assert invoke.begin("pair", "logged").result() == (200, "logged!")
    assert "name is logged" in editor.event("output", lambda body: "name is" in body["output"])["output"]
    assert editor.seen("stopped") == []
    editor.disconnect()


def test_a_failure_that_no_handler_catches_stops_where_it_was_raised(
    project: DebugProject, invoke: Calls, editor: DapClient
) -> None:
    editor.attach()
    answer = invoke.begin("fail")
    stop = editor.stopped()
    assert stop.body["reason"] == "exception"
    assert (stop.line, stop.variables()["double"]) == (project.line("fail", "raise"), "42")
    assert [frame["name"] for frame in stop.frames()] == ["inner", "handler"]
    info = editor.ask("exceptionInfo", threadId=stop.thread)
    assert "ZeroDivisionError" in info["exceptionId"] and "division by zero" in info["description"]
    stop.go()
    assert "ZeroDivisionError" in answer.result()[1]
    editor.disconnect()


def test_breakpoint_stops_in_the_editor_and_is_passed_without_one(
    project: DebugProject, running: Running, invoke: Calls, editor: DapClient
) -> None:
    assert invoke.begin("ask").result() == (200, "passed")
    running.until(lambda e: e["kind"] == "notice" and "breakpoint()" in e["message"] and "is passed" in e["message"])
    editor.attach()
    answer = invoke.begin("ask")
    stop = editor.stopped()
    assert (stop.line, stop.variables()["before"]) == (project.line("ask", "after"), "1")
    stop.go()
    assert answer.result() == (200, "passed")
    editor.disconnect()


@pytest.mark.parametrize(("event", "file", "mark"), [("fork", "index.py", "forked"), ("exec", "worker.py", "child")])
def test_processes_that_a_function_starts_are_debugged_too(
    project: DebugProject, invoke: Calls, editor: DapClient, event: str, file: str, mark: str
) -> None:
    path = str(Path(project.path("child")).with_name(file))
    line = next(n for n, text in enumerate(Path(path).read_text().splitlines(), 1) if f"# @{mark}" in text)
    editor.attach({path: [line]})
    answer = invoke.begin("child", event)
    stop = editor.stopped()
    assert (stop.line, stop.evaluate("n")) == (line, "20")
    assert "/" in stop.name.partition(" ")[0]
    stop.go()
    assert answer.result() == (200, {"fork": "40", "exec": "21"}[event])
    editor.disconnect()


def test_all_that_an_editor_asks_for(project: DebugProject, invoke: Calls, editor: DapClient) -> None:
    path = project.path("talk")
    loop = project.line("talk", "loop")
    editor.attach({path: [{"line": loop, "condition": "i == 3"}, {"line": loop + 1}]}, subProcess=True)
    answer = invoke.begin("talk")
    stop = editor.stopped()
    assert (stop.line, stop.evaluate("i")) == (loop, "3")
    frame = stop.frames()[0]["id"]
    found = editor.ask("completions", frameId=frame, text="tot", column=4)["targets"]
    assert "total" in [each["label"] for each in found]
    editor.set_breakpoints(path, {"line": loop, "hitCondition": "2"})
    stop.go()
    stop = editor.stopped()
    assert int(stop.evaluate("i")) > 3
    editor.set_breakpoints(path, project.line("talk", "both"), project.line("talk", "jump"))
    stop.go()
    stop = editor.stopped()
    targets = editor.ask("stepInTargets", frameId=stop.frames()[0]["id"])["targets"]
    cube = next(each["id"] for each in targets if "cube" in each["label"])
    stop = stop.step("stepIn", targetId=cube)
    assert stop.frames()[0]["name"] == "cube"
    stop.step("stepOut").go()
    stop = editor.stopped()
    assert stop.line == project.line("talk", "jump")
    end = project.line("talk", "end")
    target = editor.ask("gotoTargets", source={"path": path}, line=end)["targets"][0]
    stop = stop.step("goto", targetId=target["id"])
    assert stop.line == end
    editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "square"}])
    editor.set_breakpoints(path)
    stop.go()
    assert answer.result() == (200, "2033")
    answer = invoke.begin("talk")
    stop = editor.stopped()
    assert stop.frames()[0]["name"] == "square"
    editor.ask("setFunctionBreakpoints", breakpoints=[])
    stop.go()
    assert answer.result() == (200, "2034")
    assert editor.event("output", lambda body: "said 2034" in body["output"])["output"].startswith("talk#")
    editor.disconnect()
