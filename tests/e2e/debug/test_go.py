"""Go functions of custom runtimes, under Delve in their instances, in the one session that editors attach to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.support.command import RUNGS, Running, Workshop, need_rung
from tests.support.dap_client import DapClient, attached
from tests.support.debug_project import calls, kill_instance
from tests.support.go_project import GoProject, need_go

Begin = Callable[[str], "Future[tuple[int, str]]"]
SHORT_SECONDS = 1


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> GoProject:
    need_go()
    return GoProject(Workshop(tmp_path_factory.mktemp("go")), timeout=SHORT_SECONDS)


@pytest.fixture
def running(go: GoProject) -> Iterator[Running]:
    with go.workshop.started("--json") as started:
        yield started


@pytest.fixture
def begin(running: Running) -> Iterator[Begin]:
    with calls(running) as made:
        yield lambda body: made.begin("hello", body)


def port(running: Running) -> int:
    return int(running.endpoint["debug_port"])


@pytest.mark.parametrize("rung", RUNGS)
def test_a_handler_stops_steps_and_answers_in_its_own_time(go: GoProject, rung: str) -> None:
    need_rung(rung)
    with (
        go.workshop.started("--walls", rung) as running,
        calls(running) as invoke,
        attached(port(running), go.at("handler")) as editor,
    ):
        answer = invoke.begin("hello", "abc")
        stop = editor.stopped()
        assert (stop.path, stop.line) == (str(go.path), go.line("handler"))
        assert stop.name.startswith("hello#1 · ")
        assert "main.handle" in stop.name
        stop = stop.step().step()
        assert stop.line == go.line("count")
        assert stop.variables()["text"] == '"abc"'
        assert stop.evaluate("len(text) + 4") == "7"
        time.sleep(SHORT_SECONDS * 1.5)  # longer than the function's timeout
        stop.go()
        assert answer.result() == (200, "abc 3")


def test_breakpoints_turn_out_to_be_there_with_the_first_instance(
    go: GoProject, running: Running, begin: Begin
) -> None:
    with DapClient(port(running)) as editor:
        shown = editor.attach(go.at("answer"))[str(go.path)]
        assert [each["verified"] for each in shown] == [False]
        answer = begin("x")
        changed = editor.event("breakpoint")["breakpoint"]
        assert (changed["id"], changed["verified"]) == (shown[0]["id"], True)
        stop = editor.stopped()
        assert stop.body["hitBreakpointIds"] == [shown[0]["id"]]
        stop.go()
        assert answer.result()[1] == "x 1"


def test_a_program_that_was_built_inside_is_shown_as_on_the_host(tmp_path: Path) -> None:
    need_go()
    need_rung("bwrap")
    go = GoProject(Workshop(tmp_path), inside=True)
    with (
        go.workshop.started("--walls", "bwrap") as running,
        calls(running) as invoke,
        attached(port(running), go.at("handler")) as editor,
    ):
        answer = invoke.begin("hello", "x")
        stop = editor.stopped()
        assert (stop.path, stop.line) == (str(go.path), go.line("handler"))
        stop.go()
        assert answer.result()[1] == "x 1"


def test_two_instances_stop_one_after_the_other(go: GoProject, running: Running, begin: Begin) -> None:
    with attached(port(running), go.at("answer")) as editor:
        first = begin("one")
        stop = editor.stopped()
        second = begin("second")
        running.until(lambda event: event["kind"] == "instance_paused", 4)
        assert not editor.seen("stopped")
        assert stop.variables()["text"] == '"one"'
        stop.go()
        assert first.result()[1] == "one 3"
        stop = editor.stopped()
        assert stop.name.startswith("hello#2 · ")
        stop.go()
        assert second.result()[1] == "second 6"


def test_all_goroutines_of_one_instance_stand_and_can_be_looked_at(
    go: GoProject, running: Running, begin: Begin
) -> None:
    with attached(port(running), go.at("answer")) as editor:
        answer = begin("x")
        stop = editor.stopped()
        assert stop.body["allThreadsStopped"] is True
        other = next(thread for thread, name in editor.threads().items() if "accept" in name)
        assert editor.ask("stackTrace", threadId=other)["stackFrames"]
        editor.ask("pause", threadId=other)
        assert editor.stopped().thread == other
        editor.ask("continue", threadId=other)
        assert editor.event("continued")["allThreadsContinued"] is True
        assert answer.result()[1] == "x 1"


def test_one_that_was_frozen_hears_of_a_breakpoint_at_thaw(go: GoProject, running: Running, begin: Begin) -> None:
    with attached(port(running)) as editor:
        assert begin("x").result()[1] == "x 1"
        running.until_state("frozen")
        assert all(name.endswith("(frozen)") for name in editor.threads().values())
        editor.set_breakpoints(str(go.path), go.line("answer"))
        answer = begin("yy")
        stop = editor.stopped()
        assert stop.name.startswith("hello#1 · ")
        stop.go()
        assert answer.result()[1] == "yy 2"


def test_an_editor_comes_to_one_that_runs_and_leaves_it_running(go: GoProject, running: Running, begin: Begin) -> None:
    assert begin("x").result()[1] == "x 1"
    running.until_state("frozen")
    for turn in range(3):
        with DapClient(port(running)) as editor:
            editor.attach(go.at("handler", "answer"))
            answer = begin("abc")
            stop = editor.stopped()
            assert stop.name.startswith("hello#1 · ")
            if turn == 1:
                editor.send("next", {"threadId": stop.thread})
            editor.crash()
        assert answer.result() == (200, "abc 3")
        assert begin("no editor").result() == (200, "no editor 9")


def test_an_editor_that_leaves_while_one_is_frozen_is_forgotten_at_thaw(
    go: GoProject, running: Running, begin: Begin
) -> None:
    with attached(port(running), go.at("answer")) as editor:
        answer = begin("x")
        editor.stopped().go()
        answer.result()
        running.until_state("frozen")
    assert begin("y").result() == (200, "y 1")
    running.until_state("frozen", 2)
    with attached(port(running), go.at("answer")) as editor:
        answer = begin("z")
        editor.stopped().go()
        assert answer.result() == (200, "z 1")


def test_one_that_is_killed_while_it_stands_leaves_the_session_alive(
    go: GoProject, running: Running, begin: Begin
) -> None:
    with attached(port(running), go.at("answer")) as editor:
        answer = begin("x")
        stop = editor.stopped()
        kill_instance(running.until_state("idle")[0]["instance_id"])
        editor.event("thread", lambda body: body == {"reason": "exited", "threadId": stop.thread})
        assert answer.result()[0] != 0
        answer = begin("again")
        stop = editor.stopped()
        assert stop.name.startswith("hello#2 · ")
        stop.go()
        assert answer.result() == (200, "again 5")


def test_one_that_has_run_out_of_time_is_shown_where_it_is(go: GoProject, running: Running, begin: Begin) -> None:
    with attached(port(running)) as editor:
        answer = begin("sleep")
        stop = editor.stopped()
        assert stop.body["description"].startswith("Timed out in hello#1")
        assert any("time.Sleep" in name or "main.handle" in name for name in editor.threads().values())
        editor.ask("continue", threadId=stop.thread)
        assert "timed out" in answer.result()[1]


def test_nothing_is_left_of_either(go: GoProject) -> None:
    with go.workshop.started() as running:
        assert running.call("hello", "x")[1] == "x 1"
        assert running.stop() == 0
        running.assert_nothing_left()
