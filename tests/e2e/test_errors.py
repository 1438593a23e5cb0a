"""What a user meets when something is wrong: one message with its place and the next step, and never our traceback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.command import ROOT, Workshop

EVENT = "def handler(event, context):\n    return 'fine'\n"
HTTP = {
    "triggers": [
        {"triggerName": "http", "triggerType": "http", "triggerConfig": {"authType": "anonymous", "methods": ["GET"]}}
    ]
}
S_YAML = """\
edition: 3.0.0
name: e2e
access: default
resources:
  hello:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: hello
      runtime: {runtime}
      {handler}
      code: ./code
      {more}
"""


def s_yaml(runtime: str = "python3.10", handler: str = "handler: index.handler", more: str = "") -> str:
    return S_YAML.format(runtime=runtime, handler=handler, more=more)


def fails(workshop: Workshop, *args: str, env: Mapping[str, str] | None = None) -> str:
    """Run a command that must end with exit code 2 and one message; returns it."""
    done = workshop.run(*args, env=env)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.count("error: ") == 1, done.stderr
    assert done.stdout == ""
    return done.stderr[done.stderr.index("error: ") :]


# --- files and options: nothing starts ---


@pytest.mark.parametrize("command", ["start", "invoke"])
@pytest.mark.parametrize(
    ("files", "args", "says", "step"),
    [
        ({}, (), "no project file here: none of s.yaml, s.yml", "-t FILE"),
        ({}, ("-t", "cloud.yaml"), "cloud.yaml: there is no such file", "-t FILE"),
        ({"s.yaml": "name: [1\nedition: 3.0.0\n"}, (), "s.yaml:2: is not valid YAML", "check indentation"),
        ({"s.yaml": "version: 1\n"}, (), "s.yaml:1: is no project file of Function Compute", "-t FILE"),
        ({"s.yaml": "services:\n  web:\n    image: x\n"}, (), "s.yaml:3: resource `web` has no `component`", "correct"),
        ({"s.yaml": s_yaml("pyton3.10")}, (), "s.yaml:10: runtime 'pyton3.10' is not supported", "correct"),
        ({"s.yaml": s_yaml(), "code/index.py": EVENT}, ("helo",), "there is no function 'helo'", "did you mean hello?"),
        ({".fclocal.yaml": "prot: 5\n"}, (), ".fclocal.yaml:1: unknown option 'prot'", "did you mean port?"),
        ({}, ("--runtimes-dir", "nowhere"), "nowhere is not a folder of runtimes", "runtime.toml"),
        ({}, ("--code", "nowhere", "--runtime", "python3.10", "--handler", "a.b"), "nowhere: there is no such code",
         "name a folder"),
        ({"shop/a.py": EVENT}, ("--code", "shop", "--runtime", "python3.10"), "needs a handler", "add --handler"),
        ({"shop/a.py": EVENT}, ("--code", "shop", "--runtime", "cobol"), "runtime 'cobol' is not", "take one"),
    ],
)  # fmt: skip
def test_what_can_not_be_started_is_told(
    workshop: Workshop, command: str, files: Mapping[str, str], args: tuple[str, ...], says: str, step: str
) -> None:
    workshop.write(files)
    message = fails(workshop, command, *args)
    assert says in message
    assert step in message


def test_a_variable_that_is_one_slip_away(workshop: Workshop) -> None:
    assert "FCLOCAL_PROT: unknown option\n  → did you mean PORT?" in fails(workshop, "start", env={"FCLOCAL_PROT": "1"})


def test_the_true_reason_comes_before_other_warnings(workshop: Workshop) -> None:
    workshop.write(
        {"s.yaml": s_yaml("cobol", more="Timeout: 3\n      cAPort: 1\n      hanler: a.b\n      memorysize: 1")}
    )
    assert "s.yaml:10: runtime 'cobol' is not supported" in fails(workshop, "start")


def test_a_taken_port_says_who_holds_it(workshop: Workshop) -> None:
    workshop.project(EVENT, hello={})
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        message = fails(workshop, "start", "--port", str(port))
    assert f"port {port} is taken" in message
    assert f"pid {os.getpid()}" in message
    assert "--port 0 picks a free one" in message


def test_misspelt_keys_are_read_as_the_nearest_right_one(workshop: Workshop) -> None:
    workshop.write({"s.yaml": s_yaml(handler="handelr: index.handler", more="Timeout: 5"), "code/index.py": EVENT})
    done = workshop.run("invoke")
    assert (done.returncode, done.stdout) == (0, "fine")
    assert "s.yaml:11: `handelr` is no key of Function Compute; it is read as `handler`" in done.stderr
    assert "s.yaml:13: `Timeout` is no key of Function Compute; it is read as `timeout`" in done.stderr


# --- functions that can not run: FC's own error body to the caller, and the reason in the log ---


def called(workshop: Workshop, *args: str, env: Mapping[str, str] | None = None) -> tuple[dict[str, str], str]:
    """FC's error body of a call that failed, and what was said beside it."""
    done = workshop.run("invoke", *args, env=env)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout), done.stderr


def test_a_missing_handler_file(workshop: Workshop) -> None:
    workshop.write({"s.yaml": s_yaml(handler="handler: indx.handler"), "code/index.py": EVENT})
    body, said = called(workshop)
    assert (body["errorType"], body["errorMessage"]) == ("ImportModuleError", "Unable to import module 'indx'")
    assert "Unhandled function error" in said


def test_a_missing_function(workshop: Workshop) -> None:
    workshop.write({"s.yaml": s_yaml(handler="handler: index.handle"), "code/index.py": EVENT})
    assert called(workshop)[0]["errorMessage"] == "Handler 'handle' is missing on module 'index'"


def test_no_handler_at_all_names_the_line(workshop: Workshop) -> None:
    workshop.write({"s.yaml": s_yaml(handler="memorySize: 512"), "code/index.py": EVENT})
    body, said = called(workshop)
    assert body["errorType"] == "InvalidHandleName"
    assert "s.yaml:10: function `hello` has no `handler`, which runtime `python3.10` needs" in said


@pytest.mark.parametrize(
    ("runtime", "name", "code", "install"),
    [
        ("python3.10", "index.py", "import fc_ships_this.client", "-m pip install fc-ships-this==1"),
        ("nodejs20", "index.js", "require('fc_ships_this/client')", "npm install --no-save fc-ships-this==1"),
    ],
)
def test_a_module_that_fc_ships_is_explained(
    workshop: Workshop, runtime: str, name: str, code: str, install: str
) -> None:
    folder = ROOT / "runtimes" / runtime.rstrip("0123456789.")
    copy = shutil.copytree(folder, workshop.root / "runtimes" / folder.name)
    table = f'[bundled."{runtime}"]'
    text = (copy / "runtime.toml").read_text().replace(table, f'{table}\nfc_ships_this = "fc-ships-this==1"')
    (copy / "runtime.toml").write_text(text)
    workshop.write({"s.yaml": s_yaml(runtime), f"code/{name}": code})
    body, said = called(workshop, "--runtimes-dir", "runtimes")
    assert body["errorType"] == "ImportModuleError"
    assert f"module 'fc_ships_this' ships with Function Compute's {runtime} and is not installed here" in said
    assert install in said


def test_missing_code(workshop: Workshop) -> None:
    workshop.write({"s.yaml": s_yaml()})
    body, said = called(workshop)
    assert body["Code"] == "FunctionNotStarted"
    assert f"the code folder {workshop.root}/code of function hello is not there; build it first" in body["Message"]
    assert "s.yaml:9: function `hello`: its code" in said


def test_a_runtime_that_fc_has_and_fclocal_has_not(workshop: Workshop) -> None:
    workshop.write({"s.yaml": s_yaml("php7.2"), "code/index.php": "<?php"})
    body, said = called(workshop)
    assert "s.yaml:9: runtime 'php7.2' is not emulated" in body["Message"]
    assert "This emulator runs custom, " in said


def test_a_missing_interpreter_names_what_installs_it(workshop: Workshop) -> None:
    workshop.write({"s.yaml": s_yaml("nodejs20"), "code/index.js": ""})
    bare = workshop.root / "bin"
    bare.mkdir()
    for name in ("bwrap", "sh"):
        if found := shutil.which(name):
            (bare / name).symlink_to(found)
    env = {"PATH": str(bare), "HOME": str(workshop.root)}
    body, said = called(workshop, env=env)
    assert "node 20 is needed, and no node of a near version is installed" in body["Message"]
    assert "`nvm install 20`" in said


@pytest.mark.parametrize(
    ("files", "code", "says"),
    [
        ({}, "FunctionNotStarted", "Error: the file /code/bootstrap is not exist (There is no {root}/code/bootstrap"),
        ({"code/bootstrap": "#!/bin/sh\n"}, "CAExited", "(`chmod +x {root}/code/bootstrap` makes it executable)"),
    ],
)
def test_a_bootstrap_that_can_not_start(workshop: Workshop, files: Mapping[str, str], code: str, says: str) -> None:
    workshop.write({"s.yaml": s_yaml("custom.debian10"), "code/data": "", **files})
    body, _ = called(workshop)
    assert body["Code"] == code
    assert says.format(root=workshop.root) in body["Message"]


def test_the_wrong_port_of_a_server(workshop: Workshop) -> None:
    workshop.write(
        {"s.yaml": s_yaml("custom.debian10"), "code/bootstrap": "#!/bin/sh\nexec python3 -m http.server 19123\n"}
    )
    (workshop.root / "code/bootstrap").chmod(0o755)
    body, _ = called(workshop, "--start-timeout", "4")
    assert body["Code"] == "FunctionNotStarted"
    assert "(It listens on port 19123, not on 9000: set customRuntimeConfig.port" in body["Message"]


def test_a_payload_that_is_too_large(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> None:
    large = tmp_path_factory.mktemp("large") / "event"
    with large.open("wb") as out:
        out.truncate((32 << 20) + 1)
    workshop.project(EVENT, hello={})
    assert "the event is larger than 32 MB" in fails(workshop, "invoke", "-f", str(large))
    with workshop.started() as running:
        status, body, _ = running.call("hello", "x" * ((32 << 20) + 1))
        assert (status, json.loads(body)["Code"]) == (400, "EntityTooLarge")
        assert running.call("hello")[:2] == (200, "fine")


def test_one_broken_function_does_not_keep_the_others_from_running(workshop: Workshop) -> None:
    """Through every door the caller gets FC's error with the reason, and the emulator lives on."""
    workshop.project(EVENT, hello={}, gone={"code": "./gone", **HTTP}, java={"runtime": "java11", **HTTP})
    with workshop.started() as running:
        for name, reason in (("gone", "the code folder"), ("java", "runtime 'java11' is not emulated")):
            for status, body, headers in (
                running.call(name),
                running.http("GET", "/", headers={"Host": f"{name}.localhost:{running.port}"}),
            ):
                assert (status, json.loads(body)["Code"]) == (412, "FunctionNotStarted")
                assert reason in json.loads(body)["Message"]
                assert headers["x-fc-request-id"] == json.loads(body)["RequestId"]
        assert running.call("hello")[:2] == (200, "fine")
        assert running.stop() == 0
        assert "Traceback" not in running.out + running.err


def test_secrets_of_the_account_stay_out_of_messages(workshop: Workshop) -> None:
    workshop.write({"s.yaml": s_yaml("cobol"), "code/index.py": EVENT})
    assert "local-access-key-secret" not in fails(workshop, "start")


def test_no_crash_file_is_left_by_any_of_this(workshop: Workshop) -> None:
    workshop.write({"s.yaml": "a: [\n"})
    fails(workshop, "start")
    assert not list(Path(workshop.root).rglob("crash-*"))
