"""Every way to end a running emulator, and that nothing is left behind by any of them."""

from __future__ import annotations

import json
import signal
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.support.command import MEET, RUNGS, need_rung
from tests.support.terminal import OnTerminal

HOOKED = f"""{MEET}
import subprocess

subprocess.Popen(["sleep", "1000"], start_new_session=True)

def stop(context):
    print("cleaned up")

def handler(event, context):
    return "answer" + meet(event).strip()
"""
HOOKS = {"instanceLifecycleConfig": {"preStop": {"handler": "index.stop", "timeout": 30}}}


def hooked(workshop) -> None:
    workshop.project(HOOKED, slow={"timeout": 600, **HOOKS})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_the_first_signal_lets_what_runs_finish_and_runs_pre_stop(workshop, meeting, number):
    hooked(workshop)
    with workshop.started("--json") as running, ThreadPoolExecutor(1) as callers:
        answer = callers.submit(running.call, "slow", str(meeting.port))
        meeting.arrived()
        running.signal(number)
        running.until_said("Stopping: 1 invocation running. Ctrl-C again ends everything at once.")
        meeting.let_go()
        assert answer.result()[:2] == (200, "answergo")
        assert running.ended() == 0
        assert running.err.rstrip().endswith("Stopped.")
        kinds = [e["kind"] for e in running.events() if e["kind"] != "span"]
        assert kinds.index("invocation_ended") < kinds.index("hook_started") < kinds.index("hook_ended")
        assert [e["text"] for e in running.events() if e["kind"] == "log_line"][-1] == "cleaned up"
        running.assert_nothing_left()


def test_a_closed_terminal_does_not_stop_who_was_started_with_nohup(workshop):
    workshop.project("def handler(event, context):\n    return event\n", hello={})
    with replace(workshop, command=("nohup", *workshop.command)).started() as running:
        running.signal(signal.SIGHUP)
        assert running.call("hello", "still")[1] == "still"
        running.signal(signal.SIGTERM)
        assert running.ended() == 0
        running.assert_nothing_left()


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
def test_the_second_signal_ends_everything_at_once(anybodys, meeting, rung, number, code):
    workshop = anybodys
    need_rung(rung, workshop.command)
    hooked(workshop)
    with workshop.started("--json", "--walls", rung) as running, ThreadPoolExecutor(1) as callers:
        answer = callers.submit(running.call, "slow", str(meeting.port))
        meeting.arrived()
        running.signal(number)
        running.until_said("Stopping: 1 invocation running.")
        running.signal(number)
        assert running.ended() == code
        assert running.err.rstrip().endswith("Ended at once.")
        running.assert_nothing_left()
        # What the caller gets is whatever was possible, but never a result.
        assert answer.exception() is not None or answer.result()[0] != 200 or "answer" not in answer.result()[1]
        assert not [e for e in running.events() if e["kind"] == "hook_started"], "no PreStop where haste was asked for"
        assert not [*workshop.state.glob("postmortems/*")], "nobody asks why"


def test_a_frozen_instance_is_thawed_for_its_pre_stop(workshop, meeting):
    hooked(workshop)
    with workshop.started("--json") as running, ThreadPoolExecutor(1) as callers:
        answer = callers.submit(running.call, "slow", str(meeting.port))
        meeting.arrived()
        meeting.let_go()
        assert answer.result()[0] == 200
        running.until_state("frozen")
        assert running.stop() == 0
        moves = [(e["before"], e["after"]) for e in running.events() if e["kind"] == "instance_moved"]
        assert moves[-3:] == [("frozen", "idle"), ("idle", "stopping"), ("stopping", "stopped")]
        assert "cleaned up" in running.out
        running.assert_nothing_left()


def test_the_command_stop_waits_for_the_end(workshop, meeting):
    hooked(workshop)
    with workshop.started() as running, ThreadPoolExecutor(2) as others:
        answer = others.submit(running.call, "slow", str(meeting.port))
        meeting.arrived()
        stop = others.submit(workshop.run, "stop", "--timeout", "600")
        running.until_said("Stopping: 1 invocation running.")
        meeting.let_go()
        assert answer.result()[:2] == (200, "answergo")
        assert stop.result().returncode == 0, stop.result().stderr
        assert f"Stopping the emulator at {running.endpoint['url']}" in stop.result().stderr
        assert running.ended() == 0
        running.assert_nothing_left()
    again = workshop.run("stop")
    assert again.returncode == 0 and "No emulator of this project is running." in again.stderr


def test_the_command_stop_loses_patience(workshop, meeting):
    hooked(workshop)
    with workshop.started() as running, ThreadPoolExecutor(1) as callers:
        callers.submit(running.call, "slow", str(meeting.port))
        meeting.arrived()
        stopped = workshop.run("stop", "--timeout", "0.1")
        assert stopped.returncode == 0 and "It still runs after 0.1 s." in stopped.stderr
        assert running.ended() == 143
        running.assert_nothing_left()


def test_ctrl_c_typed_at_a_terminal_stops_in_good_order(workshop, meeting):
    """The terminal signals its whole foreground process group: only the emulator may be in it."""
    hooked(workshop)
    workshop.write({".fclocal.yaml": "color: never\nport: 0\n"})
    with OnTerminal(workshop, "start") as screen, ThreadPoolExecutor(1) as callers:
        screen.until("Ctrl-C stops.")
        running = screen.running()
        answer = callers.submit(running.call, "slow", str(meeting.port))
        meeting.arrived()
        screen.type("\x03")
        screen.until("Stopping: 1 invocation running.")
        meeting.let_go()
        assert answer.result()[:2] == (200, "answergo")
        screen.until("cleaned up")
        assert running.ended() == 0
        running.assert_nothing_left()


def test_a_closed_terminal_is_a_stop_too(workshop, meeting):
    hooked(workshop)
    workshop.write({".fclocal.yaml": "port: 0\n"})
    with OnTerminal(workshop, "start") as screen:
        screen.until("Ctrl-C stops.")
        running = screen.running()
        screen.hang_up()
        assert running.ended() == 0
        running.assert_nothing_left()


def test_the_endpoint_file_says_where_the_emulator_is_and_only_to_its_owner(workshop):
    workshop.project(HOOKED, slow={**HOOKS}, other={})
    with workshop.started() as running:
        found = json.loads(workshop.endpoint_file.read_text())
        assert found["url"] == f"http://127.0.0.1:{found['port']}" and found["pid"] == running.process.pid
        assert [function["name"] for function in found["functions"]] == ["slow", "other"]
        assert stat.S_IMODE(workshop.endpoint_file.stat().st_mode) == 0o600
        assert (workshop.state / ".gitignore").read_text().splitlines()[-1] == "*"
        second = workshop.run("start", "--port", "0")
        assert second.returncode == 2
        assert f"already runs at {found['url']} (pid {found['pid']})" in second.stderr
        assert running.stop() == 0
        assert not workshop.endpoint_file.exists()
        # What stays is remembered on purpose: links for walls without mounts, if private networks work, debug ports.
        kept = {path.name for path in workshop.state.iterdir()}
        assert kept <= {".gitignore", "run", "links", "private-network.json", "debug.json"}
        assert not list((workshop.state / "run").iterdir())
