"""What an editor that looks on does to the emulator's clocks and to its end."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.dap_client import DapClient

CODE = """def handler(event, context):
    text = event.decode()
    while text == "loop":
        pass
    return text
"""


@pytest.fixture
def debugged(workshop):
    workshop.project(CODE, quick={"timeout": 1}, slow={"timeout": 600})
    path = str(workshop.root / "code" / "index.py")
    # The editor is gone before the callers are waited for, or they would stand for ever.
    with (
        workshop.started("--json") as running,
        ThreadPoolExecutor(2) as callers,
        DapClient(int(running.endpoint["debug_port"])) as editor,
    ):
        yield running, editor, callers, path


def test_the_first_ctrl_c_lets_what_stands_at_a_breakpoint_run_to_its_end(debugged):
    running, editor, callers, path = debugged
    editor.attach({path: [2]})
    answer = callers.submit(running.call, "slow", "hello")
    editor.stopped()
    running.signal(signal.SIGINT)
    editor.event("terminated")
    assert answer.result()[:2] == (200, "hello")
    assert running.ended() == 0
    running.assert_nothing_left()


def test_a_function_that_runs_into_its_timeout_is_shown_where_it_is_and_ends_when_it_goes_on(debugged):
    running, editor, callers, path = debugged
    editor.attach()
    answer = callers.submit(running.call, "quick", "loop")
    stop = editor.stopped()
    assert "Timed out" in stop.body["description"]
    assert (stop.path, stop.line in (3, 4)) == (path, True)
    assert stop.evaluate("text") == "'loop'"
    stop.go()
    status, text, _ = answer.result()
    assert (status, "timed out after 1 seconds" in text) == (200, True)
    assert running.call("quick", "again")[:2] == (200, "again")
    editor.disconnect()


def test_the_journal_tells_pauses_and_leaves_them_out_of_the_duration(debugged):
    running, editor, callers, path = debugged
    editor.attach({path: [2]})
    answer = callers.submit(running.call, "slow", "hello")
    stop = editor.stopped()
    stop.step().go()
    assert answer.result()[:2] == (200, "hello")
    editor.disconnect()
    running.signal(signal.SIGINT)
    assert running.ended() == 0
    [instance] = {e["instance_id"] for e in running.events() if e["kind"] == "instance_paused"}
    resumed = [e["paused_ms"] for e in running.events() if e["kind"] == "instance_resumed"]
    [ended] = [e for e in running.events() if e["kind"] == "invocation_ended"]
    assert ended["instance_id"] == instance
    assert 0 < ended["paused_ms"] <= sum(resumed) + 0.001
