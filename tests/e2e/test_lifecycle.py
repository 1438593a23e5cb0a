"""The life of an instance as the journal tells it: Initializer, PreFreeze, PreStop, idle reclaim, in FC's order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import eventually, need_rung

HOOKED = """
def initialize(context):
    print("initialize")

def freeze(context):
    print("pre freeze")

def stop(context):
    print("pre stop")

def handler(event, context):
    print("handler")
    return "done"
"""
HOOKS = {
    "instanceLifecycleConfig": {
        "initializer": {"handler": "index.initialize", "timeout": 30},
        "preStop": {"handler": "index.stop", "timeout": 30},
    }
}
# PreFreeze is FC 2's alone (runtime-contract.md §1.3).
FC2 = """
edition: 1.0.0
name: e2e
services:
  hooked:
    component: fc
    props:
      region: cn-hangzhou
      service:
        name: shop
      function:
        name: hooked
        runtime: python3.10
        handler: index.handler
        codeUri: ./code
        timeout: 30
        memorySize: 256
        initializer: index.initialize
        initializationTimeout: 30
        instanceLifecycleConfig:
          preFreeze: {handler: index.freeze, timeout: 30}
          preStop: {handler: index.stop, timeout: 30}
"""


def story(events) -> list[str]:
    """The events that say where an instance is, and what the function printed, in their order."""
    told = []
    for event in events:
        match event["kind"]:
            case "instance_moved":
                told.append(event["after"] + (f" ({event['reason']})" if event["after"] == "stopped" else ""))
            case "hook_started":
                told.append(f"{event['hook']} begins")
            case "hook_ended":
                told.append(f"{event['hook']} ends")
            case "invocation_started":
                told.append("cold invocation" if event["cold"] else "warm invocation")
            case "invocation_ended":
                told.append("invocation ends")
            case "log_line" if not event["text"].startswith("FunctionCompute"):
                told.append(f"log: {event['text']}")
    return told


def test_initializer_and_pre_stop_have_their_places(workshop):
    workshop.project(HOOKED, hooked=HOOKS)
    with workshop.started("--json", "--freeze-after-ms", "3600000") as running:
        for _ in range(2):
            assert running.call("hooked")[:2] == (200, "done")
        assert running.stop() == 0
        assert story(running.events()) == [
            *("initializing", "Initialize begins", "log: initialize", "Initialize ends", "idle"),
            *("cold invocation", "log: handler", "invocation ends"),
            *("warm invocation", "log: handler", "invocation ends"),
            *("stopping", "PreStop begins", "log: pre stop", "PreStop ends", "stopped (shutdown)"),
        ]


def test_an_idle_instance_is_reclaimed_after_keep_alive_and_the_next_start_is_cold(workshop):
    workshop.project(HOOKED, hooked=HOOKS)
    with workshop.started("--json", "--keep-alive", "0.2") as running:
        assert running.call("hooked")[0] == 200
        stopped = running.until_state("stopped")
        assert stopped[0]["reason"] == "idle"
        told = story(running.events())
        assert told[-5:] == ["stopping", "PreStop begins", "log: pre stop", "PreStop ends", "stopped (idle)"]
        assert told[-6] == "idle" and "frozen" in told, "a frozen instance is thawed for its PreStop"
        assert running.call("hooked")[0] == 200
        running.until(lambda e: e["kind"] == "invocation_started" and e["cold"], count=2)


def test_pre_freeze_of_fc2_runs_before_each_freeze(workshop):
    workshop.write({"s.yaml": FC2, "code/index.py": HOOKED})
    with workshop.started("--json") as running:
        for frozen in (1, 2):
            path = "/2016-08-15/services/shop/functions/hooked/invocations"
            assert running.http("POST", path)[:2] == (200, "done")
            running.until_state("frozen", count=frozen)
        assert running.stop() == 0
        told = story(running.events())
        freezing = ["freezing", "PreFreeze begins", "log: pre freeze", "PreFreeze ends", "frozen"]
        places = [index for index, word in enumerate(told) if word == "freezing"]
        assert [told[place : place + 5] for place in places] == [freezing, freezing]


def test_a_failing_initializer_is_told_and_tried_again_by_the_next_call(workshop):
    code = HOOKED.replace('print("initialize")', 'raise ValueError("no database")')
    workshop.project(code, hooked=HOOKS)
    with workshop.started("--json") as running:
        for _ in range(2):
            status, body, headers = running.call("hooked")
            assert (status, headers["x-fc-error-type"]) == (200, "InitializationError")
            assert "no database" in body
        running.until_state("stopped", count=2)
        ends = running.until(lambda e: e["kind"] == "hook_ended", count=2)
        assert all(end["hook"] == "Initialize" and end["detail"] for end in ends)


MEMORY = """
def handler(event, context):
    if event == b"grow":
        kept = []
        while True:
            kept.append(bytearray(8 * 1024 * 1024))
    if event == b"kill":
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    return "small"
"""


@pytest.mark.parametrize("rung", ["bwrap", "landlock", "plain"])
def test_too_much_memory_is_told_from_a_crash(workshop, rung):
    """Both end by SIGKILL: only whoever counts can tell them apart."""
    need_rung(rung)
    workshop.project(MEMORY, eater={"memorySize": 128})
    with workshop.started("--json", "--walls", rung) as running:
        assert running.call("eater")[:2] == (200, "small")
        for event in ("grow", "kill"):
            status, body, headers = running.call("eater", event)
            assert (status, headers["x-fc-error-type"]) == (200, "UnhandledInvocationError")
            assert "Process exited unexpectedly before completing request" in body
        reasons = [event["reason"] for event in running.until_state("stopped", count=2)]
        assert reasons == ["oom", "crashed"]
        assert running.call("eater")[:2] == (200, "small"), "the next call gets a new instance"
        oom = [e for e in running.events() if e["kind"] == "invocation_ended"][1]
        assert oom["memory_mb"] >= 128, "the summary shows that it had all of it"


DISK = """
import os

def handler(event, context):
    for name, size in enumerate(event.split()):
        fd = os.open(f"/tmp/{name}", os.O_CREAT | os.O_WRONLY)
        try:
            os.posix_fallocate(fd, 0, int(size) * 1024 * 1024)
        except OSError as error:
            return error.strerror
        finally:
            os.close(fd)
    return context.request_id
"""


def test_tmp_is_a_disk_and_no_file_outgrows_it(workshop):
    need_rung("bwrap")
    workshop.project(DISK, writer={"diskSize": 512, "memorySize": 128})
    with workshop.started("--json", "--walls", "bwrap") as running:
        # More than its memory: what is on a disk does not count as memory.
        assert running.call("writer", "300")[0] == 200
        assert running.call("writer", "600")[:2] == (200, "File too large")
        assert not [e for e in running.events() if e.get("after") == "stopped"]


def test_an_instance_that_fills_its_disk_is_replaced_and_told(workshop):
    need_rung("bwrap")
    workshop.project(DISK, writer={"diskSize": 512, "memorySize": 128})
    with workshop.started("--json", "--walls", "bwrap", "--no-freeze") as running:
        assert running.call("writer", "300 300")[0] == 200

        # Its size is looked at now and then: sooner or later an invocation ends with a full disk.
        def replaced() -> list:
            assert running.call("writer")[0] == 200
            return [e for e in running.events() if e.get("after") == "stopped"]

        assert [event["reason"] for event in eventually(replaced, "the instance is replaced")] == ["disk_full"]
        told = [event["message"] for event in running.events() if event["kind"] == "notice"]
        assert [message for message in told if "more than diskSize, 512 MB" in message]


CPU = """
import time

def handler(event, context):
    return "here"
"""


def test_the_cpu_share_is_the_control_groups_quota(workshop):
    workshop.project(CPU, half={"cpu": 0.5, "memorySize": 512})
    with workshop.started("--json") as running:
        assert running.call("half")[:2] == (200, "here")
        instance = running.until_state("idle")[0]["instance_id"]
        quotas = [
            path
            for group in running.control_groups()
            for path in (group / instance / "cpu.cfs_quota_us", group / instance / "cpu.max")
            if path.exists()
        ]
        if not quotas:
            pytest.skip("no cgroup tree here lets us limit the CPU")
        assert share(quotas[0]) == 0.5


def share(quota: Path) -> float:
    if quota.name == "cpu.max":
        allowed, period = quota.read_text().split()
        return int(allowed) / int(period)
    return int(quota.read_text()) / int(quota.with_name("cpu.cfs_period_us").read_text())


WRITING = """
import os

def handler(event, context):
    with open("/code/made.txt", "w") as file:
        file.write("made")
    if os.path.exists("/code/given.txt"):
        os.remove("/code/given.txt")
    return "written"
"""
READ_ONLY = """
def handler(event, context):
    try:
        open("/code/made.txt", "w")
    except OSError as error:
        open("/tmp/made.txt", "w").close()
        return error.strerror
"""


def test_what_a_function_wrote_to_its_code_is_told_and_thrown_away(workshop):
    need_rung("bwrap")
    workshop.project(WRITING, writer={})
    workshop.write({"code/given.txt": "given"})
    with workshop.started("--json", "--walls", "bwrap") as running:
        assert running.call("writer")[:2] == (200, "written")
        assert running.stop() == 0
        wrote = [event for event in running.events() if event["kind"] == "instance_wrote"]
        assert len(wrote) == 1 and wrote[0]["function"] == "writer"
        assert {"/code/made.txt", "- /code/given.txt"} <= set(wrote[0]["paths"])
        assert wrote[0]["total"] == len(wrote[0]["paths"])
    assert not (workshop.root / "code/made.txt").exists()
    assert (workshop.root / "code/given.txt").read_text() == "given"
    alone = workshop.run("invoke", "--walls", "bwrap")
    told = "fclocal: writer wrote - /code/given.txt, /code/made.txt: gone with the instance, as in FC"
    assert (alone.stdout, told in alone.stderr) == ("written", True), alone.stderr


def test_strict_makes_the_code_read_only_and_leaves_tmp(workshop):
    need_rung("bwrap")
    workshop.project(READ_ONLY, writer={})
    done = workshop.run("invoke", "--walls", "bwrap", "--strict")
    assert (done.returncode, done.stdout) == (0, "Read-only file system"), done.stderr
    assert "wrote" not in done.stderr
