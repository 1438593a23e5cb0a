"""Functions of the runtime custom-container: in their image, and without one by --walls process."""

from __future__ import annotations

import json
import os
import textwrap
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator.sandbox.container.engine import engine_urls
from tests.support.command import Workshop, eventually
from tests.support.engine import asked, needs_engine
from tests.support.images import bare_python
from tests.support.registry import registry

NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
SERVER = """
import http.server, json, os, sys
from words import WORD

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        event = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        names = ("PORT", "STAGE", "FC_CUSTOM_LISTEN_PORT", "FC_FUNCTION_NAME")
        found = {"word": WORD, "event": event, "cwd": os.getcwd(), "uid": os.getuid(), "argv": sys.argv[1:],
                 "python": "%d.%d" % sys.version_info[:2], "env": {name: os.environ.get(name) for name in names},
                 "path": os.environ["PATH"].split(":")[0]}
        print("served", event, flush=True)
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *args):
        pass

port = int(os.environ.get("LISTEN") or os.environ["FC_CUSTOM_LISTEN_PORT"])
http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""
DOCKERFILE = """
ARG BASE=python:3.11-slim
FROM ${BASE}
WORKDIR /srv/app
ENV STAGE=built PATH=/srv/app/bin:$PATH
COPY *.py ./
USER 1234
ENTRYPOINT ["python", "-u", "server.py"]
CMD ["by", "default"]
"""


@pytest.fixture
def image(workshop: Workshop) -> Iterator[str]:
    """The name of a project's image, removed at the end."""
    workshop.write({"server.py": SERVER, "words.py": "WORD = 'first'\n", "Dockerfile": DOCKERFILE})
    workshop.write({".dockerignore": "*.out\n*.err\n*.yaml\n"})
    name = f"fclocal-tests/e2e:{uuid.uuid4().hex[:12]}"
    yield name
    with asked() as api:
        for found in api.images(name, quiet=True):
            api.remove_image(found, force=True)


def project(workshop: Workshop, image: str, more: dict[str, Any] | None = None, **container: Any) -> None:
    props = {
        "region": "cn-hangzhou",
        "functionName": "hello",
        "runtime": "custom-container",
        "memorySize": 512,
        "timeout": 20,
        "customContainerConfig": {"image": image, "port": 9000, **container},
        "environmentVariables": {"E2E_MARK": workshop.mark},
        **(more or {}),
    }
    resources = {"hello": {"component": "fc3", "props": props}}
    text = yaml.safe_dump({"edition": "3.0.0", "name": "e2e", "access": "default", "resources": resources})
    workshop.write({"s.yaml": text})


def with_base(workshop: Workshop) -> None:
    workshop.env["FCLOCAL_BUILD_ARGS"] = json.dumps({"BASE": bare_python()})


@needs_engine
def test_it_runs_in_its_image_and_is_built_again_on_a_change(workshop: Workshop, image: str) -> None:
    project(workshop, image, accelerationType="Default")
    with_base(workshop)
    with workshop.started() as running:
        eventually(lambda: "deployed hello (its image is there, revision 1)" in running.out, "the log")
        assert "Step 1/8 : ARG BASE=python:3.11-slim" in running.out
        assert running.out.index("fclocal 0.") < running.out.index("Step 1/8"), "others answer while it is built"
        assert "`accelerationType` of `customContainerConfig` changes nothing here" in running.out
        found = json.loads(running.call("hello", "one")[1])
        assert (found["word"], found["event"], found["cwd"], found["uid"]) == ("first", "one", "/srv/app", 1234)
        assert (found["argv"], found["path"]) == (["by", "default"], "/srv/app/bin")
        assert found["env"] == {
            "PORT": None, "STAGE": "built", "FC_CUSTOM_LISTEN_PORT": "9000", "FC_FUNCTION_NAME": "hello",
        }  # fmt: skip
        workshop.write({"words.py": "WORD = 'second'\n"})
        assert json.loads(running.call("hello")[1])["word"] == "second"
        workshop.write({"Dockerfile": DOCKERFILE.replace("COPY *.py ./", "COPY *.py ./\nRUN exit 4")})
        assert json.loads(running.call("hello")[1])["word"] == "second"
        eventually(
            lambda: "hello was not reloaded; revision 2 stays: Dockerfile:7: The image" in running.out, "refusal"
        )
        workshop.write({"Dockerfile": DOCKERFILE.replace("STAGE=built", "STAGE=again")})
        assert json.loads(running.call("hello")[1])["env"]["STAGE"] == "again"
        assert running.stop() == 0
        running.assert_nothing_left()
    with asked() as api:
        left = api.images(filters={"label": f"fclocal.image={image}"})
    assert len(left) == 1, "what was replaced is removed when nothing runs in it any more"
    # Nothing has changed, so nothing is built; then something has, while nobody watched.
    assert "Step " not in workshop.run("invoke").stderr
    workshop.write({"words.py": "WORD = 'third'\n"})
    done = workshop.run("invoke")
    assert json.loads(done.stdout)["word"] == "third" and "Step " in done.stderr
    with asked() as api:
        assert len(api.images(filters={"label": f"fclocal.image={image}"})) == 1


@needs_engine
def test_folders_of_the_host_over_those_of_the_image(workshop: Workshop, image: str) -> None:
    """And what the project says of the start wins over the image."""
    project(workshop, image, entrypoint=["python", "-u", "/srv/app/server.py"], command=["of", "the project"])
    with_base(workshop)
    workshop.write({"words/words.py": "WORD = 'mounted'\n"})
    workshop.write({".fclocal.yaml": "functions:\n  hello:\n    codeMounts:\n      /srv/lib: ./words\n"})
    workshop.write({"Dockerfile": DOCKERFILE.replace("COPY *.py ./", "COPY server.py ./\nENV PYTHONPATH=/srv/lib")})
    with workshop.started() as running:
        found = json.loads(running.call("hello")[1])
        assert (found["word"], found["argv"]) == ("mounted", ["of", "the project"])
        steps = running.out.count("Step 1/")
        workshop.write({"words/words.py": "WORD = 'changed'\n"})
        assert json.loads(running.call("hello")[1])["word"] == "changed"
        assert running.out.count("Step 1/") == steps, running.out
        assert running.stop() == 0


@needs_engine
def test_a_program_that_listens_elsewhere_is_told_which_port_it_has(workshop: Workshop, image: str) -> None:
    project(workshop, image, {"environmentVariables": {"LISTEN": "8123"}})
    with_base(workshop)
    done = workshop.run("invoke", "--start-timeout", "4")
    assert "listens on port 8123, not on 9000" in done.stdout, done.stdout + done.stderr
    assert "set customContainerConfig.port" in done.stdout


@needs_engine
def test_a_container_for_each_event(workshop: Workshop, image: str) -> None:
    job = """
        import json, os, sys
        event = json.loads(os.environ["FC_CUSTOM_CONTAINER_EVENT"])
        print("the event is", event["say"], flush=True)
        sys.exit(event.get("exit", 0))
    """
    project(workshop, image, {"timeout": 10}, webServerMode=False, entrypoint=["python", "job.py"])
    with_base(workshop)
    workshop.write({"job.py": textwrap.dedent(job)})
    for walls in ("container", "process"):
        with workshop.started("--walls", walls) as running:
            assert running.call("hello", '{"say": "好"}'.encode())[:2] == (200, "")
            eventually(lambda: "the event is 好" in running.out, "the log")
            status, text, headers = running.call("hello", '{"say": "no", "exit": 3}')
            assert "Process exited unexpectedly before completing request" in json.loads(text)["errorMessage"]
            assert (status, dict(headers)["x-fc-error-type"]) == (200, "UnhandledInvocationError")
            large = running.call("hello", "x" * 200_000)[1]
            assert "200000 bytes does not fit into an environment variable" in json.loads(large)["errorMessage"]
            assert running.stop() == 0
            running.assert_nothing_left()


@needs_engine
def test_an_image_is_pulled_once(workshop: Workshop) -> None:
    with registry({"nothing": b""}, {"Cmd": ["/nothing"]}) as there:
        name = f"{there.name}/fclocal-tests/pulled:{uuid.uuid4().hex[:8]}"
        project(workshop, name)
        first = workshop.run("invoke", "--start-timeout", "1")
        assert f"pulling {name}" in first.stderr and there.asked
        there.asked.clear()
        second = workshop.run("invoke", "--start-timeout", "1")
        assert "pulling" not in second.stderr and there.asked == []
        with asked() as api:
            api.remove_image(name, force=True)
    gone = workshop.run("invoke")
    assert f"The image {name} is not here and can not be pulled" in gone.stderr
    assert "put its Dockerfile beside s.yaml" in gone.stderr


@needs_engine
@pytest.mark.parametrize("ends", ["pulled", "stopped"])
def test_others_answer_while_an_image_is_pulled(workshop: Workshop, ends: str) -> None:
    workshop.project("def handler(event, context): return event\n", quick={})
    tree = yaml.safe_load((workshop.root / "s.yaml").read_text())
    with registry({"nothing": b""}, {"Cmd": ["/nothing"]}) as there:
        name = f"{there.name}/fclocal-tests/pulled:{uuid.uuid4().hex[:8]}"
        there.go_on.clear()
        project(workshop, name)
        mine = yaml.safe_load((workshop.root / "s.yaml").read_text())
        mine["resources"].update(tree["resources"])
        workshop.write({"s.yaml": yaml.safe_dump(mine, sort_keys=False)})
        with workshop.started("--start-timeout", "1", pending=True) as running:
            assert "image pending" in running.out and running.endpoint["pending"] == ["hello"]
            assert running.call("quick", "now")[:2] == (200, "now")
            status, body, _ = running.call("hello")
            assert (status, json.loads(body)["Code"]) == (412, "PreconditionFailed") and "function is pending" in body
            if ends == "pulled":
                there.go_on.set()
                running.wait_until_ready()
                assert json.loads(running.call("hello")[1])["Code"] != "PreconditionFailed"
                with asked() as api:
                    api.remove_image(name, force=True)
            assert running.stop() == 0
            running.assert_nothing_left()


@needs_engine
def test_images_of_runtimes(workshop: Workshop) -> None:
    """An image of FC's own, where there is one; here a stand-in for it, from a registry of ours."""
    workshop.project("def handler(event, context): return event\n", hello={"runtime": "custom.debian11"})
    config = {"Cmd": ["/nothing"]}
    with registry({"nothing": b""}, config) as there:
        done = workshop.run("images", "pull", "--image-registry", there.name)
        name = f"{there.name}/aliyunfc/runtime:custom.debian11-3.1.0"
        assert done.stdout == f"custom.debian11: {name}, 0 MB\n", done.stderr
        try:
            rows = workshop.run("images", "--image-registry", there.name, "--json").stdout.splitlines()
            row = next(row for row in map(json.loads, rows) if row["of"] == "custom.debian11")
            assert (row["image"], row["state"]) == (name, "here")
        finally:
            with asked() as api:
                api.remove_image(name, force=True)
    assert workshop.run("images", "pull", "custom-container").returncode == 2


# --- without an engine ---


def test_without_an_engine_three_ways_are_told(workshop: Workshop) -> None:
    project(workshop, "fclocal-tests/nothing:v1")
    done = workshop.run("invoke", env=NO_ENGINE)
    assert done.returncode == 1 and "No container engine answers" in done.stderr
    assert all(way in done.stderr for way in ("systemctl start docker", "DOCKER_HOST", "--walls process"))
    assert json.loads(done.stdout)["Code"] == "FunctionNotStarted"


@needs_engine
def test_an_engine_that_is_started_later(
    workshop: Workshop, image: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project(workshop, image)
    with_base(workshop)
    later = tmp_path_factory.mktemp("engine") / "docker.sock"
    with workshop.started(env={"DOCKER_HOST": f"unix://{later}"}) as running:
        assert running.call("hello")[0] == 412
        later.symlink_to(engine_urls(os.environ)[0].removeprefix("unix://"))
        eventually(lambda: "deployed hello (a container engine was started, revision 1)" in running.out, "the revision")
        assert json.loads(running.call("hello")[1])["word"] == "first"
        assert running.stop() == 0


def test_on_the_host_by_its_dockerfile(workshop: Workshop) -> None:
    project(workshop, "fclocal-tests/nothing:v1")
    workshop.write({"server.py": SERVER, "words.py": "WORD = 'first'\n", "Dockerfile": DOCKERFILE})
    workshop.write({".dockerignore": "*.out\n*.err\n"})
    with workshop.started("--walls", "process", env=NO_ENGINE) as running:
        found = json.loads(running.call("hello", "one")[1])
        assert (found["word"], found["cwd"], found["argv"]) == ("first", "/srv/app", ["by", "default"])
        assert (found["env"]["STAGE"], found["uid"]) == ("built", 1234)
        assert "the image fclocal-tests/nothing:v1 is not used: its command runs on this machine" in running.out
        workshop.write({"words.py": "WORD = 'second'\n"})
        assert json.loads(running.call("hello")[1])["word"] == "second"
        workshop.write({"Dockerfile": DOCKERFILE.replace("STAGE=built", "STAGE=again")})
        assert json.loads(running.call("hello")[1])["env"]["STAGE"] == "again"
        assert running.stop() == 0
        running.assert_nothing_left()


def test_on_the_host_nobody_knows_how_an_image_starts(workshop: Workshop) -> None:
    project(workshop, "fclocal-tests/nothing:v1")
    done = workshop.run("invoke", "--walls", "process", env=NO_ENGINE)
    assert (
        "nothing says how the image fclocal-tests/nothing:v1 of function hello is started" in done.stderr + done.stdout
    )
    project(workshop, "fclocal-tests/nothing:v1", entrypoint=["no-such-program"])
    done = workshop.run("invoke", "--walls", "process", env=NO_ENGINE)
    assert "`no-such-program`, which starts the image" in done.stdout


@needs_engine
def test_fc2_writes_its_command_as_json(workshop: Workshop, image: str) -> None:
    """`command` is the process and `args` its arguments, `caPort` the port (platform.md §3.3)."""
    workshop.write(
        {
            "s.yaml": f"""
                edition: 1.0.0
                name: e2e
                services:
                  hello:
                    component: fc
                    props:
                      region: cn-hangzhou
                      service: {{name: demo}}
                      function:
                        name: hello
                        runtime: custom-container
                        memorySize: 512
                        timeout: 20
                        caPort: 9100
                        environmentVariables: {{E2E_MARK: {workshop.mark}}}
                        customContainerConfig:
                          image: {image}
                          command: '["python", "-u", "server.py"]'
                          args: '["--from", "fc2"]'
                """
        }
    )
    with_base(workshop)
    done = workshop.run("invoke")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["argv"], found["env"]["FC_CUSTOM_LISTEN_PORT"]) == (["--from", "fc2"], "9100")


def test_the_samples_folders_hold_no_products(tmp_path: Path) -> None:
    """`.fclocal` with its token never goes into an image."""
    from emulator.sandbox.container.builds import Context

    (tmp_path / ".fclocal").mkdir()
    (tmp_path / ".fclocal/endpoint.json").write_text("{}")
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    assert Context(tmp_path).files() == ["Dockerfile"]
