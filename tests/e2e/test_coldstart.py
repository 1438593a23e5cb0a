"""`fclocal coldstart`: cold starts that are forced, kept, compared and held against a budget."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import PATIENCE_SECONDS, Workshop, eventually

SLOW = """
import time
time.sleep(1.5)
"""
CODE = """
import os
import heavy

def initialize(context):
    print("initialized", os.environ["FC_INSTANCE_ID"])

def handler(event, context):
    print("handling", event.decode())
    if event == b"fail":
        raise ValueError("as asked")
    return os.environ["FC_INSTANCE_ID"]
"""
FUNCTION = {"memorySize": 256, "instanceLifecycleConfig": {"initializer": {"handler": "index.initialize"}}}


@pytest.fixture
def shop(tmp_path) -> Workshop:
    tmp_path.chmod(0o755)
    shop = Workshop(tmp_path)
    shop.project(CODE, hello=FUNCTION)
    shop.write({"code/heavy.py": ""})
    return shop


def found(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def measure(shop: Workshop, *args: str, code: int = 0) -> dict[str, Any]:
    done = shop.run("coldstart", "hello", "--json", *args)
    assert done.returncode == code, done.stderr
    return found(done)


def git(folder: Path, *args: str) -> str:
    names = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    done = subprocess.run(["git", "-C", folder, *names, *args], capture_output=True, text=True, check=True)
    return done.stdout


def repository(shop: Workshop) -> None:
    shop.write({".gitignore": ".fclocal/\n__pycache__/\n3rd-packages/\n*.out\n*.err\n"})
    git(shop.root, "init", "-q")
    git(shop.root, "add", "-A")
    git(shop.root, "commit", "-qm", "first")


def phases(study: Mapping[str, Any]) -> Sequence[Sequence[str]]:
    return [[phase["name"] for phase in run["phases"]] for run in study["runs"]]


def test_each_run_is_a_cold_start_of_its_own(shop):
    told = measure(shop, "-n", "3", "-e", "abc", "--save", "base")
    study = told["study"]
    assert len({run["instance_id"] for run in study["runs"]}) == 3
    assert {run["start"] for run in study["runs"]} == {"spawn"}
    for run in study["runs"]:
        assert run["total_ms"] > 0 and run["cpu_ms"] > 0 and not run["error"]
        assert "heavy" in [it["name"] for it in run["imports"]]
    for names in phases(study):
        assert {"create", "runtime", "load", "initializer", "first_request"} <= set(names)
    assert study["function"] == "hello" and study["event_bytes"] == 3 and study["warm_up"] is True
    assert told["total"]["median"] == sorted(run["total_ms"] for run in study["runs"])[1]
    assert study["package"]["files"] >= 2
    kept = shop.state / "coldstart" / "base.json"
    assert json.loads(kept.read_text()) == study


def test_a_person_sees_tables_and_the_verdict(shop):
    shop.run("coldstart", "hello", "-n", "10", "--no-warm-up", "--save", "base")
    shop.write({"code/heavy.py": SLOW})
    done = shop.run("coldstart", "hello", "-n", "10", "--compare", "base", "--budget", "load<300ms")
    assert done.returncode == 1
    assert "median" in done.stdout and "first_request" in done.stdout
    assert "over the budget: load<300ms is " in done.stdout
    assert "import of heavy" in done.stdout
    assert "not measured side by side" in done.stdout


def test_a_function_that_fails_ends_it_with_its_error_and_what_was_measured_is_kept(shop):
    shop.write({"count": ""})
    shop.write(
        {
            "code/heavy.py": f"""
with open({str(shop.root / "count")!r}, "a") as count:
    count.write("x")
if len(open({str(shop.root / "count")!r}).read()) > 3:
    raise RuntimeError("the fourth one")
"""
        }
    )
    done = shop.run("coldstart", "hello", "-n", "5", "--walls", "plain", "--save", "base")
    assert done.returncode == 1
    assert "the fourth one" in done.stdout and "2 cold starts" in done.stdout
    assert not (shop.state / "coldstart" / "base.json").exists()
    last = json.loads((shop.state / "coldstart" / "last.json").read_text())
    assert len(last["runs"]) == 2 and "the fourth one" in last["error"]


def test_a_compiler_that_fails_is_run_once_and_told_once(shop):
    """What notes file reads can not be made then, and no cold start is longer by that."""
    shop.write({"cc": f"#!/bin/sh\necho once >> {shop.root}/compiled\nexit 1\n"})
    (shop.root / "cc").chmod(0o755)
    shop.env["CC"] = str(shop.root / "cc")
    done = shop.run("coldstart", "hello", "-n", "3", "--no-advice", "--json")
    assert [run["reads"] for run in found(done)["study"]["runs"]] == [[], [], []]
    assert done.stderr.count("file reads are not measured: ") == 1
    assert (shop.root / "compiled").read_text().split() == ["once"]


def test_a_handler_that_fails_is_told_with_its_log(shop):
    done = shop.run("coldstart", "hello", "-n", "2", "-e", "fail")
    assert done.returncode == 1
    assert json.loads(done.stdout)["errorMessage"] == "as asked"
    assert "handling fail" in done.stderr


def test_a_revision_is_compared_side_by_side(shop):
    repository(shop)
    shop.write(
        {
            "code/3rd-packages/dep.py": "",
            "code/heavy.py": f"import sys\nsys.path.append('/code/3rd-packages')\n{SLOW}\n",
        }
    )
    told = measure(shop, "-n", "10", "--compare", "git:HEAD")
    comparison = told["comparison"]
    assert comparison["paired"] is True and comparison["rounds"] == 10
    assert comparison["base"] == "git:HEAD" and comparison["new"] == "working tree"
    assert comparison["new_ms"] - comparison["base_ms"] > 500
    assert comparison["verdict"] == "slower"
    assert "import of heavy" in told["because"][0]
    base, study = told["base"], told["study"]
    assert base["fingerprint"] != study["fingerprint"]
    assert any("3rd-packages" in note for note in base["notes"])
    assert git(shop.root, "worktree", "list").count("\n") == 1
    assert [path.name for path in (shop.state / "coldstart").iterdir()] == ["last.json"]


def test_what_is_tried_runs_side_by_side_and_files_are_written(shop):
    shop.write({"code/heavy.py": SLOW})
    names = ("lazy:heavy", "pyc", "provisioned")
    tries = [word for name in names for word in ("--try", name)]
    files = {"--html": "out.html", "--trace": "out.json", "--speedscope": "out.speedscope.json"}
    told = measure(shop, "-n", "2", *tries, *(word for pair in files.items() for word in pair))
    tried = {it["comparison"]["new"]: it for it in told["tried"]}
    assert list(tried) == list(names)
    assert tried["lazy:heavy"]["comparison"]["grew_ms"]["estimate"] < -500
    assert tried["provisioned"]["comparison"]["grew_ms"]["estimate"] < -500
    assert tried["provisioned"]["provisioned"]["cost_per_month"] > 0
    assert {it["kind"] for it in told["advice"]} >= {"unused", "provisioned"}
    assert "heavy" in (shop.root / "out.html").read_text()
    assert json.loads((shop.root / "out.json").read_text())["traceEvents"]
    assert json.loads((shop.root / "out.speedscope.json").read_text())["profiles"]
    assert [path.name for path in (shop.state / "coldstart").iterdir()] == ["last.json"]


def test_an_http_function_is_asked_by_its_trigger(shop):
    trigger = {
        "triggerName": "http",
        "triggerType": "http",
        "triggerConfig": {"authType": "anonymous", "methods": ["GET"]},
    }
    code = "import json\ndef handler(event, context):\n    raise ValueError(json.loads(event)['rawPath'])\n"
    shop.project(code, hello={"triggers": [trigger]})
    done = shop.run("coldstart", "hello", "-n", "1", "--path", "/login?a=1")
    assert done.returncode == 1 and json.loads(done.stdout)["errorMessage"] == "/login"


def test_an_emulator_that_runs_measures_beside_its_other_work(shop):
    with shop.started() as running:
        _, warm, _ = running.call("hello")

        def ask(action: str, code: int = 200, **asked: Any) -> Any:
            headers = {"x-fclocal-token": running.endpoint["token"]}
            status, body, _ = running.http("POST", f"/_fclocal/{action}", json.dumps(asked), headers)
            assert status == code, body
            return json.loads(body)

        study = ask("coldstart", function="hello", event="abc", runs=2, save="base")
        ids = {run["instance_id"] for run in study["runs"]}
        assert len(ids) == 2 and warm not in ids and not study["error"]
        assert {run["start"] for run in study["runs"]} == {"spawn"}
        failed = ask("coldstart", function="hello", event="fail", runs=2)
        assert json.loads(failed["error"])["errorMessage"] == "as asked" and failed["runs"] == []
        assert ask("coldstart_studies")["base"]["runs"] == 2
        assert ask("coldstart_studies", name="base") == study
        compared = ask("coldstart_compare", base="base")
        assert compared["comparison"]["verdict"] == "too_few" and compared["because"] == []
        assert compared["verdict"]["en"] == "too few runs to tell: 2, and each side needs at least 10"
        assert "nowhere" in ask("coldstart", 400, function="nowhere")["message"]
        assert running.call("hello")[1] == warm


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_of_a_comparison_that_is_ended(shop, number):
    repository(shop)
    if number != signal.SIGKILL:  # in the middle of a start that takes its time
        shop.write({"code/heavy.py": "import time\ntime.sleep(600)\n"})
    command = [*shop.command, "coldstart", "hello", "-n", "1000", "--compare", "git:HEAD"]
    process = subprocess.Popen(
        command,
        cwd=shop.root,
        env=shop.environ(),
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        eventually(lambda: instances(shop), "instances run")
        process.send_signal(number)
        process.wait(PATIENCE_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
    eventually(lambda: not instances(shop), "no instance is left")
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    if number == signal.SIGKILL:
        assert list((shop.state / "coldstart").glob("tree-*"))
        measure(shop, "-n", "1", "--compare", "git:HEAD")
    assert not list((shop.state / "coldstart").glob("tree-*"))
    assert not list((shop.state / "run").iterdir())
    assert git(shop.root, "worktree", "list").count("\n") == 1


def instances(shop: Workshop) -> list[str]:
    """Processes of functions of this project."""
    mark = shop.mark.encode()
    seen = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                environ = (folder / "environ").read_bytes()
            except OSError:
                continue
            if mark in environ:
                seen.append(folder.name)
    return seen


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--compare", "nope"), "there is no study 'nope'"),
        (("--compare", "git:nope"), "git: "),
        (("--budget", "p96<1s"), "'p96' is not measured"),
        (("--save", "a/b"), "can not be the name of a study"),
    ],
)
def test_what_can_not_be_done_is_said_before_anything_starts(shop, args, message):
    done = shop.run("coldstart", "hello", *args)
    assert done.returncode == 2 and message in done.stderr and not done.stdout
    assert not (shop.state / "run").exists()
