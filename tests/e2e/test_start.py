"""`fclocal start`: the first screen, ports, where options come from, and the stream of events."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import zipfile

import pytest

from emulator.model.events import KINDS
from tests.support.command import COMMAND, Workshop, eventually, need_rung
from tests.support.terminal import OnTerminal

HELLO = "import os\n\ndef handler(event, context):\n    return os.environ.get(event.decode() or 'HOME', '')\n"
WEB = {
    "runtime": "custom.debian12",
    "instanceConcurrency": 10,
    "customRuntimeConfig": {"command": ["python3", "server.py"], "port": 9000},
    "triggers": [
        {
            "triggerName": "http",
            "triggerType": "http",
            "triggerConfig": {"authType": "anonymous", "methods": ["GET"]},
        },
    ],
}
TIMED = {
    "cpu": 0.5,
    "memorySize": 512,
    "triggers": [
        {
            "triggerName": "tick",
            "triggerType": "timer",
            "triggerConfig": {"cronExpression": "@every 1h", "enable": True},
        }
    ],
}


@pytest.fixture
def hello(workshop) -> Workshop:
    workshop.project(HELLO, hello={})
    return workshop


# --- the first screen ---


def test_the_first_screen_has_url_trigger_runtime_limits_and_walls_of_each_function(workshop):
    workshop.project(HELLO, web=WEB, timed=TIMED)
    with workshop.started("--walls", "plain") as running:
        lines = running.out.splitlines()
        title = f"{running.endpoint['url']}  s.yaml  debug 127.0.0.1:{running.endpoint['debug_port']}, 127.0.0.1:"
        assert lines[0].startswith("fclocal ") and title in lines[0] and lines[0].endswith(" (Node.js)")
        web, timed = lines[2].split(), lines[3].split()
        assert web[:4] == ["web", "http", f"http://web.localhost:{running.port}/", "custom.debian12"]
        assert web[4:6] == ["256", "MB"] and "×10" in web and web[-1] == "plain"
        # When it comes next, an hour from now.
        assert timed[:3] == ["timed", "timer", "tick"] and re.fullmatch(r"\d\d:\d\d(:\d\d)?", timed[3])
        assert timed[4:6] == ["/2023-03-30/functions/timed/invocations", "python3.10"]
        assert " ".join(timed[6:]) == "512 MB 0.5 CPU 30 s plain"
        console = f"http://127.0.0.1:{running.port}/_console"
        assert lines[5] == f"Ctrl-C stops. Console: {console}. Call: fclocal invoke web -e '{{}}'"


@pytest.mark.parametrize("number", [1, 8, 10, 40])
def test_the_first_screen_has_at_most_12_lines(workshop, number):
    workshop.project(HELLO, **{f"function-{n:02}": WEB if n % 3 else TIMED for n in range(number)})
    with OnTerminal(workshop, "start", "--port", "0", "--color", "never", "--walls", "plain") as screen:
        screen.until("Ctrl-C stops.")
        running = screen.running()
        first = screen.text.split("\n\n! ")[0].rstrip("\n").split("\n")
        assert len(first) <= 12 and all(len(line) <= 100 for line in first)
        shown = [line for line in first if line.startswith("  function-")]
        if number <= 8:
            assert len(shown) == number
        else:
            assert len(shown) == 7
            rest = [f"function-{n:02}" for n in range(7, number)]
            timers = sum(int(name[-2:]) % 3 == 0 for name in rest)
            summary = next(line for line in first if line.startswith("  … and "))
            assert summary.startswith(f"  … and {len(rest)} more: ")
            assert f"{len(rest) - timers} http" in summary and f"{timers} timer" in summary
        screen.type("\x03")
        assert running.ended() == 0


def test_only_the_named_functions_are_started(workshop):
    workshop.project(HELLO, first={}, second={}, third={})
    with workshop.started("third", "first") as running:
        assert [function["name"] for function in running.endpoint["functions"]] == ["first", "third"]
        assert running.call("second")[0] == 404
    unknown = workshop.run("start", "--port", "0", "secnd")
    assert unknown.returncode == 2 and "did you mean second?" in unknown.stderr


def test_a_step_down_is_told_once_with_what_lifts_it(hello):
    hello.write({"s.yaml": (hello.root / "s.yaml").read_text().replace("timeout: 30", "Timeout: 30")})
    with hello.started() as running:
        told = [line for line in running.out.splitlines() if line.startswith("! ")]
        assert len([line for line in told if "Timeout" in line and "timeout" in line and "s.yaml:" in line]) == 1


# --- ports ---


def test_a_taken_port_says_who_holds_it(hello):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        done = hello.run("start", "--port", str(port))
        assert done.returncode == 2
        assert f"port {port}" in done.stderr and f"pid {os.getpid()}" in done.stderr
        assert "--port 0" in done.stderr and "Traceback" not in done.stderr
    assert not hello.endpoint_file.exists() and not list((hello.state / "run").iterdir())


def test_port_0_picks_a_free_one(hello):
    with hello.started() as running:
        assert running.port not in (0, 7788)
        assert running.call("hello")[0] == 200


# --- where options come from ---


def test_flags_win_over_variables_and_these_over_the_file(hello):
    hello.write({".fclocal.yaml": "account_id: '1'\nenvironment: {FROM: file, FILE: 'yes'}\n"})

    def account(*flags: str, **env: str) -> str:
        with hello.started("--json", *flags, env=env) as running:
            return running.call("hello", "FC_ACCOUNT_ID")[1]

    assert account() == "1"
    assert account(FCLOCAL_ACCOUNT_ID="2") == "2"
    assert account("--account-id", "3", FCLOCAL_ACCOUNT_ID="2") == "3"


def test_variables_of_all_sources_come_together(hello):
    sections = "environment: {FROM: file, FILE: 'yes'}\nfunctions: {hello: {environment: {OWN: section}}}\n"
    hello.write({".fclocal.yaml": sections})
    env = {"FCLOCAL_ENVIRONMENT": json.dumps({"FROM": "variable", "VARIABLE": "yes"})}
    with hello.started("--environment", "FROM=flag", env=env) as running:
        names = ("FROM", "FILE", "VARIABLE", "OWN")
        assert [running.call("hello", name)[1] for name in names] == ["flag", "yes", "yes", "section"]


@pytest.mark.parametrize(
    ("file", "env", "flags", "says"),
    [
        ("prot: 1\n", {}, (), ".fclocal.yaml:1"),
        ("port: many\n", {}, (), ".fclocal.yaml:1"),
        ("", {"FCLOCAL_KEEP_ALIV": "3"}, (), "FCLOCAL_KEEP_ALIV: unknown option\n  → did you mean KEEP_ALIVE?"),
        ("", {"FCLOCAL_PORT": "70000"}, (), "FCLOCAL_PORT"),
        ("", {}, ("--walls", "paper"), "'paper' is not one of"),
        ("", {}, ("--keep-alive", "-1"), "--keep-alive"),
    ],
)
def test_a_wrong_option_is_named_with_its_place(hello, file, env, flags, says):
    hello.write({".fclocal.yaml": file})
    done = hello.run("start", *flags, env=env)
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr


def test_variables_of_others_are_none_of_our_business(hello):
    with hello.started(env={"FCLOCAL_CI_SOMETHING_ELSE": "1"}) as running:
        assert running.call("hello")[0] == 200


# --- the stream ---


def test_each_line_of_the_stream_is_an_object_of_a_documented_kind(hello):
    with hello.started("--json") as running:
        for event in ("HOME", "E2E_MARK"):
            assert running.call("hello", event)[0] == 200
        assert running.call("absent")[0] == 404
        assert running.stop() == 0
        lines = [json.loads(line) for line in running.out.splitlines()]
    ready, *events = lines
    assert ready["kind"] == "ready" and {"at", "time", "url", "port", "functions"} <= ready.keys()
    fields = {kind: set(type_.__struct_fields__) for type_, kind in KINDS.items()}
    for event in events:
        assert set(event) - {"kind"} == fields[event["kind"]], event
    kinds = {event["kind"] for event in events}
    assert {"revision_deployed", "span", "instance_moved", "invocation_started", "invocation_ended"} <= kinds
    starts = [event["request_id"] for event in events if event["kind"] == "invocation_started"]
    ends = [event["request_id"] for event in events if event["kind"] == "invocation_ended"]
    assert starts == ends and len(set(ends)) == 2


def test_a_reader_that_leaves_does_not_end_the_emulator(hello):
    """`fclocal start --json | head -1`: the pipe is gone, and functions still answer."""
    argv = [*COMMAND, "start", "--port", "0", "--json"]
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(argv, cwd=hello.root, env=hello.environ(), stdout=pipe, stderr=nothing) as process:
        assert json.loads(process.stdout.readline())["kind"] == "ready"
        process.stdout.close()
        try:
            done = hello.run("invoke", "-e", "E2E_MARK")
            assert (done.returncode, done.stdout) == (0, hello.mark), done.stderr
            assert "runs already" not in done.stderr
            assert hello.run("stop").returncode == 0
        finally:
            process.kill()
    assert not hello.endpoint_file.exists()


def test_what_no_function_uses_any_more_is_pruned_when_all_of_them_run(workshop: Workshop) -> None:
    def packed(name: str, says: str) -> None:
        with zipfile.ZipFile(workshop.root / name, "w") as out:
            out.writestr("index.py", f"def handler(event, context):\n    return {says!r}\n")

    def unpacked() -> set[str]:
        return {path.name for path in (workshop.state / "code").iterdir()}

    workshop.project(one={"code": "./one.zip"}, two={"code": "./two.zip"})
    packed("one.zip", "old")
    packed("two.zip", "two")
    with workshop.started():
        before = unpacked()
    packed("one.zip", "new")
    with workshop.started("one") as running:
        assert running.call("one")[:2] == (200, "new")
        assert unpacked() > before, "two is a function of the project, and the old one is not looked for"
    with workshop.started() as running:
        assert [running.call(name)[1] for name in ("one", "two")] == ["new", "two"]
        assert len(unpacked()) == 2 and len(unpacked() & before) == 1


# --- what a start does not wait for ---


def tools_that(workshop: Workshop, does: str) -> dict[str, str]:
    """An environment in which the programs that open private networks do this."""
    folder = workshop.root / "tools"
    for name in ("pasta", "slirp4netns"):
        workshop.write({f"tools/{name}": f"#!/bin/sh\n{does}\n"})
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_private_networks_that_can_not_be_had_are_told_when_that_is_known(hello):
    need_rung("bwrap")
    with hello.started("--json", "--walls", "bwrap", env=tools_that(hello, "echo no such luck >&2; exit 1")) as running:
        (told,) = running.until(lambda event: "private network: none" in str(event.get("message")))
        assert (told["kind"], told["level"]) == ("notice", "warning")
        assert "no such luck" in told["message"]


def test_nobody_waits_for_a_private_network_that_is_not_asked_for(hello):
    """Its tool is never ready, and all else works, until the end."""
    need_rung("bwrap")
    looked = hello.root / "looked"
    env = tools_that(hello, f"echo $$ > {hello.root}/pid; mv {hello.root}/pid {looked}; exec sleep 1000")
    with hello.started("--walls", "bwrap", env=env) as running:
        eventually(looked.exists, "the tool was not tried")
        assert running.call("hello", b"E2E_MARK")[:2] == (200, hello.mark)
        assert running.stop() == 0
        running.assert_nothing_left()
        assert not os.path.exists(f"/proc/{int(looked.read_text())}")
