"""Options that make a machine like the cloud, as a user meets them: what is told, and that answers stay the same."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import NOBODY_IN_PARTICULAR, RUNGS, Running, Workshop, eventually, need_rung

MODEL = os.urandom(3 * 1024 * 1024)
HANDLER = """
import hashlib, json, os, sys

def handler(event, context):
    asked = json.loads(event)
    if "write" in asked:
        with open(asked["write"], "w") as file:
            file.write("kept")
    with open(asked["read"], "rb") as file:
        return json.dumps({"digest": hashlib.sha256(file.read()).hexdigest(), "code": sorted(os.listdir("/code"))})
"""
NAS = {
    "groupId": 0,
    "userId": 0,
    "mountPoints": [{"mountDir": "/mnt/models", "serverAddr": "nas.example:/models", "enableTLS": False}],
}


def write_project(workshop: Workshop) -> Path:
    """A function with a model on NAS; the folder that stands for that."""
    workshop.project(HANDLER, reader={"nasConfig": NAS, "memorySize": 512})
    shared = workshop.state / "nas" / "nas.example" / "models"
    shared.mkdir(parents=True)
    for folder in (shared, *shared.parents):
        if folder == workshop.root:
            break
        folder.chmod(0o777)
    (shared / "model.bin").write_bytes(MODEL)
    return shared


def spans(running: Running, name: str) -> list[dict[str, Any]]:
    return [event for event in running.events() if event["kind"] == "span" and event["name"] == name]


def seen(running: Running) -> dict[str, Any]:
    return running.until(lambda event: event["kind"] == "page_cache_seen")[-1]


def asked(running: Running, **what: str) -> dict[str, Any]:
    status, body, _ = running.call("reader", json.dumps({"read": "/mnt/models/model.bin", **what}))
    assert status == 200, body
    answer: dict[str, Any] = json.loads(body)
    return answer


@pytest.fixture
def somebodys(anybodys: Workshop) -> Workshop:
    """As `anybodys`, of a user who has a name: fusermount3 asks for it."""
    nobody = str(pwd.getpwnam("nobody").pw_uid)
    anybodys.command = tuple(word.replace(NOBODY_IN_PARTICULAR, nobody) for word in anybodys.command)
    return anybodys


def test_a_share_and_a_disk_at_another_speed_have_the_same_files_and_vanish(somebodys: Workshop) -> None:
    shared = write_project(somebodys)
    need_rung("bwrap", somebodys.command)
    with somebodys.started("--json", "--nas", "200MB/s,1ms", "--disk", "300MB/s") as running:
        answer = asked(running, write="/mnt/models/new")
        assert answer["digest"] == hashlib.sha256(MODEL).hexdigest()
        assert answer["code"][-1] == "index.py"
        assert (shared / "new").read_text() == "kept"
        places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if "fuse" in line]
        ours = [place for place in places if f"/{running.process.pid}-" in place]
        assert len(ours) >= 2, "code and share at least"

        running.folders()  # asked while it lives: by its process it is known
        running.signal(signal.SIGKILL)
        running.ended()
        eventually(lambda: not any(Path(place).parent.exists() for place in ours), "their folders are gone")
        eventually(lambda: running.folders() == [], "the reaper is done")
    mounts = Path("/proc/self/mountinfo").read_text()
    assert not any(place in mounts for place in ours)
    assert (shared / "model.bin").read_bytes() == MODEL, "nothing was removed through a view of it"
    assert (somebodys.root / "code" / "index.py").exists()


@pytest.mark.parametrize("rung", RUNGS[1:])
def test_walls_that_can_not_mount_have_their_code_from_a_disk_too(workshop: Workshop, rung: str) -> None:
    need_rung(rung)
    workshop.project("def handler(event, context):\n    return __file__\n", where={})
    with workshop.started("--walls", rung, "--disk", "300MB/s") as running:
        status, body, _ = running.call("where")
        assert status == 200, body
        assert body.endswith("/index.py")
        assert not body.startswith(str(workshop.root))
        assert running.stop() == 0
        running.assert_nothing_left()


def test_a_cold_page_cache_is_told_with_what_is_left(workshop: Workshop) -> None:
    model = str(write_project(workshop) / "model.bin")
    with workshop.started("--json", "--cache", "cold") as running:
        asked(running)
        told = seen(running)
        left = dict(told["left"])
        assert told["cache"] == "cold"
        assert told["sizes"]["files"] > 100, "the interpreter's are among them"
        assert told["sizes"]["size"] > len(MODEL)
        assert told["sizes"]["after"] <= told["sizes"]["before"]
        assert model not in left, "it had just been written, and was read after that"
        assert told["sizes"]["after"] == sum(left.values())
        assert len(spans(running, "conditions")) == 1


def test_a_study_has_its_conditions_and_what_was_in_the_page_cache(workshop: Workshop) -> None:
    path = str(write_project(workshop) / "model.bin")
    event = json.dumps({"read": "/mnt/models/model.bin"})
    options = ("--no-warm-up", "--json", "--profile", "fc-cpu", "--image-pull", "off")
    done = workshop.run("coldstart", "reader", "-n", "2", "-e", event, *options)
    assert done.returncode == 0, done.stderr
    study = json.loads(done.stdout)["study"]
    assert study["settings"]["cache"] == "cold"
    assert study["settings"]["code_download"] == "80MB/s"
    for run in study["runs"]:
        assert run["page_cache"]["after"] < run["page_cache"]["size"]
        assert "code_download" in [phase["name"] for phase in run["phases"]]
        (model,) = [file for file in run["reads"] if file["path"] == path]
        assert (model["read"], model["cached"]) == (len(MODEL), 0)


def test_profiles_are_listed_with_what_is_an_estimate(workshop: Workshop) -> None:
    workshop.project("", hello={})
    done = workshop.run("coldstart", "--list-profiles")
    assert done.returncode == 0
    assert "fc-gpu: " in done.stdout
    assert "--nas            100MB/s,2ms    an estimate, UNCONFIRMED" in done.stdout


def test_what_is_in_the_page_cache_can_be_looked_at_alone(workshop: Workshop) -> None:
    model = str(write_project(workshop) / "model.bin")
    with workshop.started("--json", "--cache", "look") as running:
        asked(running)
        told = seen(running)
        assert told["sizes"]["before"] == told["sizes"]["after"] > 0
        assert dict(told["left"])[model] == len(MODEL)


def test_a_download_comes_before_the_start_and_is_a_span_with_its_size(workshop: Workshop) -> None:
    write_project(workshop)
    (workshop.root / "code" / "large.bin").write_bytes(os.urandom(1024 * 1024))
    with workshop.started("--json", "--code-download", "10MB/s,5ms", "--image-pull", "1MB/s") as running:
        asked(running)
        running.until(lambda event: event["kind"] == "invocation_ended")
        (download,) = spans(running, "code_download")
        (sandbox,) = spans(running, "sandbox")
        assert download["detail"].startswith("1.0 MB at 10MB/s,5ms")
        assert download["duration_ms"] >= 100
        assert download["at"] + download["duration_ms"] / 1000 <= sandbox["at"]
        assert spans(running, "image_pull") == [], "it has no image"


def test_every_start_is_a_real_one_and_each_is_prepared(workshop: Workshop) -> None:
    workshop.project("def handler(event, context):\n    return 'here'\n", hello={})
    with workshop.started("--json", "--cache", "cold", "--keep-alive", "0", "--cold", "fast") as running:
        for number in (1, 2):
            assert running.call("hello")[:2] == (200, "here")
            running.until_state("stopped", count=number)
        starts = [event["start"] for event in running.events() if event["kind"] == "instance_started"]
        assert starts == ["spawn", "spawn"]
        assert len([event for event in running.events() if event["kind"] == "page_cache_seen"]) == 2


def test_what_can_not_be_kept_is_refused(workshop: Workshop) -> None:
    workshop.project("def handler(event, context):\n    return 'here'\n", hello={})
    done = workshop.run("invoke", "hello", "--cpu", "0.5", "--no-limits")
    assert done.returncode == 2
    assert "can not be held to 0.5 cores" in done.stderr
    done = workshop.run("start", "--nas", "100MB")
    assert done.returncode == 2
    assert "write a speed such as 150MB/s" in done.stderr
