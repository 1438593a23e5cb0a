"""Functions in containers: what a user meets with `--walls container`, and what is left when all is over."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from emulator.sandbox.container.base_image import REPOSITORY
from tests.support.command import ROOT, Running, Workshop, eventually
from tests.support.engine import asked, containers_of, needs_engine

IN_CONTAINERS = ("--walls", "container")
ABOUT_ITSELF = """
import json, os, resource, sys

def handler(event, context):
    wanted = json.loads(event or b"{}")
    if "exit" in wanted:
        print("last words", flush=True)
        os._exit(wanted["exit"])
    return json.dumps({
        "in container": os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"),
        "environment": {k: v for k, v in os.environ.items() if k not in ("FC_INSTANCE_ID", "E2E_MARK")},
        "uid": os.getuid(), "cwd": os.getcwd(), "version": sys.version, "files": resource.getrlimit(7)[0],
        "host name is its id": os.uname().nodename == os.environ["FC_INSTANCE_ID"],
    })
"""


def runs_of(running: Running) -> list[str]:
    """Process walls and containers each have one."""
    return [found.name for found in (running.workshop.state / "run").glob(f"{running.process.pid}-*")]


@needs_engine
@pytest.mark.parametrize("sample", ["python-event", "node-event", "custom-http"])
def test_a_sample_answers_in_either_walls(sample: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "samples" / sample, tmp_path / "there")
    workshop = Workshop(tmp_path / "there")
    inside, outside = (workshop.run("invoke", *flags, "-e", '{"a": 1}') for flags in (IN_CONTAINERS, ()))
    assert inside.returncode == 0, inside.stderr
    assert inside.stdout == outside.stdout
    assert not [*(workshop.state / "run").iterdir()]


@needs_engine
def test_one_function_in_a_container_beside_one_that_is_not(workshop: Workshop) -> None:
    """Both see the same of themselves, but for the walls."""
    workshop.project(ABOUT_ITSELF, one={}, two={})
    workshop.write({".fclocal.yaml": "functions:\n  two:\n    walls: container\n"})
    with workshop.started() as running:
        assert not any(containers_of(run) for run in runs_of(running)), "an engine is asked when it is needed"
        one, two = (json.loads(running.call(name)[1]) for name in ("one", "two"))
        assert [found.pop("in container") for found in (one, two)] == [False, True]
        names = [found["environment"].pop("FC_FUNCTION_NAME") for found in (one, two)]
        assert names == ["one", "two"]
        assert one == two
        assert "container" in next(line for line in running.out.splitlines() if " two " in line)
        runs = runs_of(running)
        assert any(containers_of(run) for run in runs)
        assert running.stop() == 0
        running.assert_nothing_left()
    assert not any(containers_of(run) for run in runs)
    assert not [*(workshop.state / "run").iterdir()]


@needs_engine
def test_big_bodies_crashes_and_saves(workshop: Workshop) -> None:
    """What a program does with a whole invocation goes through the same wire as ever."""
    workshop.project(ABOUT_ITSELF.replace('wanted = json.loads(event or b"{}")', HOOKS), hello={})
    with workshop.started(*IN_CONTAINERS, "--json") as running:
        body = "x" * (32 << 20)
        status, answer, _ = running.call("hello", body)
        assert status == 200 and len(answer) == len(body)
        status, answer, _ = running.call("hello", '{"exit": 3}')
        assert status == 200 and "exited unexpectedly" in answer, answer
        running.until(lambda e: "last words" in json.dumps(e))
        file = workshop.root / "code" / "index.py"
        file.write_text("def handler(event, context):\n    return 'saved'\n")
        assert running.call("hello")[1] == "saved"
        assert running.stop() == 0
        running.assert_nothing_left()


HOOKS = """if len(event) > 1000:
        return event
    wanted = json.loads(event or b"{}")"""


@needs_engine
def test_nothing_outlives_a_killed_emulator(workshop: Workshop) -> None:
    workshop.project(ABOUT_ITSELF, hello={})
    with workshop.started(*IN_CONTAINERS) as running:
        assert running.call("hello")[0] == 200
        runs = runs_of(running)
        assert any(containers_of(run) for run in runs)
        running.signal(signal.SIGKILL)
        running.ended()
        eventually(lambda: not any(containers_of(run) for run in runs), "its containers are gone")
        eventually(lambda: not [*(workshop.state / "run").iterdir()], "its folders are gone")


def test_without_an_engine_the_ways_on_are_told(workshop: Workshop) -> None:
    workshop.project(ABOUT_ITSELF, hello={})
    absent = {"DOCKER_HOST": f"unix://{workshop.root}/none.sock"}
    done = workshop.run("invoke", *IN_CONTAINERS, env=absent)
    assert done.returncode == 2
    for word in ("none.sock: No such file or directory", "start one", "DOCKER_HOST", "--walls process"):
        assert word in done.stderr, done.stderr
    workshop.write({".fclocal.yaml": "functions:\n  hello:\n    walls: container\n"})
    with workshop.started(env=absent) as running:
        status, answer, _ = running.call("hello")
        assert status >= 400 and "No container engine answers" in answer
        assert running.stop() == 0


@needs_engine
def test_clean_removes_what_nobody_owns_and_nothing_else(workshop: Workshop) -> None:
    gone = {"fclocal.run": f"test-{os.getpid()}", "fclocal.pid": "1", "fclocal.started": "x", "fclocal.machine": "x"}
    with asked() as api:
        image = a_base_image(workshop)
        ours, foreign = (
            api.create_container_from_config({"Image": image, "Cmd": ["x"], "Labels": labels}, name)["Id"]
            for name, labels in ((f"ours-{os.getpid()}", gone), (f"foreign-{os.getpid()}", {"fclocal": "no"}))
        )
        try:
            done = workshop.run("clean")
            assert done.returncode == 0 and f"removed container ours-{os.getpid()}" in done.stdout, done.stderr
            assert "foreign" not in done.stdout
            left = [found["Id"] for found in api.containers(all=True)]
            assert foreign in left and ours not in left
        finally:
            api.remove_container(foreign)


def a_base_image(workshop: Workshop) -> str:
    workshop.project(ABOUT_ITSELF, hello={})
    assert workshop.run("invoke", *IN_CONTAINERS).returncode == 0
    with asked() as api:
        found = api.images(name=REPOSITORY)
        return str(found[0]["RepoTags"][0])
