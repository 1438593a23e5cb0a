"""`kill -9` of the emulator: the guard that outlives it ends and removes everything."""

from __future__ import annotations

import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.command import MEET, RUNGS, eventually, need_rung
from tests.support.slow_bwrap import install_slow_bwrap

INSTANCES = 50
# The aim is 1 s; 80 to 130 ms were measured on every rung. Ten times the aim on a machine that does much else.
GONE_WITHIN_SECONDS = 10.0

WORKER = f"""{MEET}
import subprocess

# A daemon: it left the session, and nobody waits for it.
subprocess.Popen(["sleep", "1000"], start_new_session=True)

def handler(event, context):
    return meet(event)
"""


@pytest.mark.parametrize("rung", RUNGS)
def test_no_process_is_left_of_50_instances_half_of_them_frozen(anybodys, meeting, rung):
    workshop = anybodys
    need_rung(rung, workshop.command)
    workshop.project(WORKER, worker={"timeout": 600, "memorySize": 128})
    with workshop.started("--json", "--walls", rung) as running, ThreadPoolExecutor(INSTANCES) as callers:
        # All are there at once, so each has an instance of its own; then half of them are answered, and freeze.
        calls = [callers.submit(running.call, "worker", str(meeting.port)) for _ in range(INSTANCES)]
        for _ in range(INSTANCES):
            meeting.arrived()
        meeting.let_go(INSTANCES // 2)
        running.until_state("frozen", count=INSTANCES // 2)
        assert len(running.processes()) >= 2 * INSTANCES

        running.signal(signal.SIGKILL)
        assert running.ended() == -signal.SIGKILL
        eventually(lambda: not running.processes(), "every process is gone", GONE_WITHIN_SECONDS)
        eventually(lambda: not running.control_groups(), "every control group is gone", GONE_WITHIN_SECONDS)
        eventually(lambda: not running.folders(), "every folder is gone", GONE_WITHIN_SECONDS)
        answers = [call.result()[0] for call in calls if call.exception() is None]
        assert answers == [200] * (INSTANCES // 2), "the others saw their connection break"


def test_no_process_is_left_of_instances_whose_walls_were_just_built(anybodys):
    workshop, count = anybodys, 4
    need_rung("bwrap", workshop.command)
    install_slow_bwrap(workshop.root / "slow")
    path = f"{workshop.root / 'slow'}{os.pathsep}{os.environ['PATH']}"
    workshop.project("import time\n\ndef handler(event, context):\n    time.sleep(600)\n", worker={"timeout": 600})
    with (
        workshop.started("--json", "--walls", "bwrap", env={"PATH": path}) as running,
        ThreadPoolExecutor(count) as callers,
    ):
        calls = [callers.submit(running.call, "worker") for _ in range(count)]
        running.until(lambda event: event["kind"] == "span" and event["name"] == "sandbox")
        running.signal(signal.SIGKILL)
        running.ended()
        eventually(lambda: not running.processes(), "every process is gone", GONE_WITHIN_SECONDS)
        eventually(lambda: not running.folders(), "every folder is gone", GONE_WITHIN_SECONDS)
        assert all(call.exception() for call in calls)


# Waits for ever before it gives its sign, where the file stands beside it.
SLOW_PASTA = """#!/bin/sh
[ -e "$0.waits" ] || exec {pasta} "$@"
touch "$0.waiting"
exec sleep 1000
"""


def test_no_file_is_left_of_a_network_that_was_just_made(workshop):
    need_rung("bwrap", workshop.command)
    pasta = shutil.which("pasta")
    if pasta is None:
        pytest.skip("pasta is missing")
    workshop.project("def handler(event, context):\n    return 'here'\n", hello={})
    workshop.write({"tools/pasta": SLOW_PASTA.format(pasta=pasta), "tmp/.keep": ""})
    tools = workshop.root / "tools"
    (tools / "pasta").chmod(0o755)
    env = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(workshop.root / "tmp")}
    with (
        workshop.started("--walls", "bwrap", "--network", "private", env=env) as running,
        ThreadPoolExecutor(1) as caller,
    ):
        (tools / "pasta.waits").touch()
        call = caller.submit(running.call, "hello")
        eventually((tools / "pasta.waiting").exists, "a network is being made")
        running.signal(signal.SIGKILL)
        running.ended()
        eventually(lambda: not running.processes(), "every process is gone", GONE_WITHIN_SECONDS)
        eventually(lambda: not running.folders(), "every folder is gone", GONE_WITHIN_SECONDS)
        assert os.listdir(env["TMPDIR"]) == [".keep"]
        assert call.exception()


def test_what_a_killed_emulator_left_is_not_believed_and_goes_with_the_next_start(workshop):
    workshop.project("def handler(event, context):\n    return 'here'\n", hello={})
    with workshop.started() as killed:
        assert killed.call("hello")[:2] == (200, "here")
        killed.signal(signal.SIGKILL)
        killed.ended()
        eventually(lambda: not killed.processes(), "every process is gone")
        assert workshop.endpoint_file.exists(), "a killed process can not remove it"

        # Another process may get the pid: only one that began at the same moment is the emulator.
        endpoint = json.loads(workshop.endpoint_file.read_text())
        workshop.endpoint_file.write_text(json.dumps({**endpoint, "pid": os.getpid()}))

        # It starts one of its own.
        alone = workshop.run("invoke")
        assert (alone.returncode, alone.stdout) == (0, "here"), alone.stderr
        assert killed.folders() == []

        stopped = workshop.run("stop")
        assert stopped.returncode == 0 and "No emulator of this project is running." in stopped.stderr
        assert not workshop.endpoint_file.exists()
    with workshop.started() as again:
        assert again.call("hello")[:2] == (200, "here")
        assert again.stop() == 0
        again.assert_nothing_left()


def test_a_neighbour_of_the_same_project_is_left_alone(workshop):
    """Cleaning up after the dead must not touch the living: `invoke --state-dir` beside a running emulator."""
    workshop.project("def handler(event, context):\n    return 'here'\n", hello={})
    with workshop.started() as running:
        assert running.call("hello")[0] == 200
        # A second emulator over the same state folder: the endpoint is hidden, so that it starts one of its own.
        hidden = workshop.endpoint_file.rename(workshop.root / "hidden.json")
        assert workshop.run("invoke").stdout == "here"
        hidden.rename(workshop.endpoint_file)
        assert running.folders(), "the living one's folders are still there"
        assert running.call("hello")[:2] == (200, "here")
        assert running.stop() == 0
        running.assert_nothing_left()
