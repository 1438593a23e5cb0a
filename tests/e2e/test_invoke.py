"""`fclocal invoke`: what goes in, what comes out on which stream, and what the exit code says."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.command import Workshop
from tests.support.terminal import OnTerminal

HELLO = """
import json, logging

def handler(event, context):
    print("a line of its own")
    if event == b"fail":
        raise ValueError("no such thing")
    logging.getLogger().warning("a warning")
    return {"event": event.decode("utf-8", "replace"), "function": context.function.name}
"""
SERVER = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        said = f"{self.command} {self.path} {self.headers.get('X-Mine')} {body.decode()}".encode()
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PUT = answer

ThreadingHTTPServer(("0.0.0.0", int(os.environ["FC_SERVER_PORT"])), Answer).serve_forever()
"""
WEB = {
    "runtime": "custom.debian12",
    "customRuntimeConfig": {"command": ["python3", "server.py"], "port": 9000},
    "triggers": [
        {
            "triggerName": "http",
            "triggerType": "http",
            "triggerConfig": {"authType": "anonymous", "methods": ["GET", "POST", "PUT"]},
        }
    ],
}
REQUEST_ID = r"1-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{12}"
SUMMARY = re.compile(
    r"^Duration: \d+\.\d\d ms, Billed Duration: \d+ ms, Memory Size: 256 MB, Max Memory Used: \d+\.\d\d MB, "
    r"Cold: (yes \(spawn\), Init: \d+\.\d\d ms|no), Instance: c-[0-9a-f-]+$",
    re.MULTILINE,
)


@pytest.fixture
def hello(workshop) -> Workshop:
    workshop.project(HELLO, hello={})
    return workshop


def event_of(done) -> str:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["event"]


def test_the_event_comes_from_text_file_or_stdin(hello):
    hello.write({"event.json": '{"from": "file"}'})
    assert event_of(hello.run("invoke", "-e", '{"from": "text"}')) == '{"from": "text"}'
    assert event_of(hello.run("invoke", "--event-file", "event.json")) == '{"from": "file"}'
    assert event_of(hello.run("invoke", "-f", "-", input=b'{"from": "stdin"}')) == '{"from": "stdin"}'
    assert event_of(hello.run("invoke", "--event-stdin", input=b"flag")) == "flag"
    assert event_of(hello.run("invoke", input=b"a pipe by itself")) == "a pipe by itself"
    assert event_of(hello.run("invoke")) == ""


def test_the_result_is_on_stdout_byte_for_byte_and_the_log_on_stderr_in_fcs_words(hello):
    done = hello.run("invoke", "hello", "-e", "{}")
    assert done.stdout == '{"event": "{}", "function": "hello"}'
    lines = done.stderr.splitlines()
    request_id = re.search(REQUEST_ID, done.stderr)[0]
    start = lines.index(f"FC Invoke Start RequestId: {request_id}")
    end = lines.index(f"FC Invoke End RequestId: {request_id}")
    assert lines[start + 1] == "a line of its own"
    assert re.fullmatch(rf"\S+Z {request_id} \[WARNING\] a warning", lines[start + 2])
    assert end == start + 3 and lines[end + 1] == ""
    assert SUMMARY.match(lines[end + 2])[1].startswith("yes (spawn), Init: ")
    assert "\x1b" not in done.stdout + done.stderr, "no colours into a pipe"


def test_a_running_emulator_is_used_and_knows_warm_from_cold(hello):
    with hello.started() as running:
        first, second = hello.run("invoke", "-e", "one"), hello.run("invoke", "-e", "two")
        assert (event_of(first), event_of(second)) == ("one", "two")
        # Its own terminal has the whole log, and the caller the tail that FC sends (4 KB).
        assert "a line of its own" in second.stderr and "FC Invoke End RequestId: " in second.stderr
        assert running.stop() == 0
        assert [found[1][:3] for found in SUMMARY.finditer(running.out)] == ["yes", "no"]


def test_flags_of_the_emulator_are_told_to_change_nothing_for_a_running_one(hello):
    with hello.started():
        done = hello.run("invoke", "--keep-alive", "3")
        assert event_of(done) == ""
        assert "runs already, --keep-alive changes nothing for it" in done.stderr


@pytest.mark.parametrize("running", [False, True], ids=["alone", "running"])
def test_a_failing_function_exits_1_with_fcs_error_body(hello, running):
    def check() -> None:
        failed = hello.run("invoke", "-e", "fail")
        assert failed.returncode == 1, failed.stderr
        body = json.loads(failed.stdout)
        assert (body["errorMessage"], body["errorType"]) == ("no such thing", "ValueError")
        assert ", Error: Unhandled function error" in failed.stderr

    if running:
        with hello.started():
            check()
    else:
        check()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("invoke", "helo"), "there is no function 'helo'\n  → did you mean hello?"),
        (("invoke", "-e", "{}", "-f", "x"), "-e and -f exclude each other"),
        (("invoke", "-f", "absent.json"), "absent.json: the event can not be read: No such file or directory"),
        (("invoke", "--path", "/"), "function hello has no HTTP trigger"),
        (("invoke", "--async-task-id", "t"), "a task id is for asynchronous calls"),
        (("invoke", "-c", "vscode"), "is a flag of another tool"),
        (("invoke", "--mode", "api"), "is a flag of another tool"),
        (("invoke", "--no-such-flag"), "No such option"),
        (("invoke", "-q", "absent"), "absent"),
        (("invoke", "-t", "absent.yaml"), "absent.yaml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_can_not_be_done_exits_2_and_says_why(hello, args, says):
    done = hello.run(*args)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


def test_without_a_project_one_is_named_or_the_code_is(workshop):
    nothing = workshop.run("invoke")
    assert nothing.returncode == 2 and "s.yaml" in nothing.stderr
    workshop.write({"src/index.py": HELLO})
    bare = ("invoke", "--code", "src", "--handler", "index.handler", "--runtime", "python3.10", "-e", "bare")
    assert event_of(workshop.run(*bare)) == "bare"


def test_several_functions_want_a_name(workshop):
    workshop.project(HELLO, first={}, second={})
    done = workshop.run("invoke")
    assert done.returncode == 2
    assert "there are 2 functions, name one of them\n  → there are: first, second" in done.stderr
    named = workshop.run("invoke", "--function-name", "second")
    assert json.loads(named.stdout)["function"] == "second", named.stderr


def test_an_asynchronous_call_is_accepted_and_its_end_is_waited_for_where_nobody_else_would(hello):
    accepted = hello.run("invoke", "--invocation-type", "Async", "--async-task-id", "mine", "-e", "x")
    assert accepted.returncode == 0, accepted.stderr
    assert "Accepted. RequestId: " in accepted.stderr and "Task mine: Succeeded" in accepted.stderr
    assert "a line of its own" in accepted.stderr and accepted.stdout == ""
    with hello.started("--json") as running:
        accepted = hello.run("invoke", "--invocation-type", "Async", "--async-task-id", "other")
        assert accepted.returncode == 0 and "Task: other" in accepted.stderr
        running.until(lambda e: e["kind"] == "task_moved" and e["state"] == "Succeeded")


def test_an_http_function_is_called_by_path_method_and_header(workshop):
    workshop.project(web=WEB)
    workshop.write({"code/server.py": SERVER})
    with workshop.started():
        got = workshop.run("invoke", "--path", "/a b?c=d", "-H", "X-Mine: yes")
        assert (got.returncode, got.stdout) == (0, "GET /a%20b?c=d yes "), got.stderr
        put = workshop.run("invoke", "--method", "put", "-e", "body")
        assert (put.returncode, put.stdout) == (0, "PUT / None body"), put.stderr
        missing = workshop.run("invoke", "--path", "/missing")
        assert missing.returncode == 1 and "HTTP 404" in missing.stderr
        assert missing.stdout.startswith("GET /missing")


def test_colours_are_for_a_terminal_and_can_be_chosen(hello):
    with OnTerminal(hello, "invoke", "-e", "fail") as screen:
        assert screen.ended() == 1
        assert "\x1b[31mFC Invoke End RequestId: " in screen.text, "a failure is red"
        assert "\na line of its own\n" in screen.text, "what the function wrote is left as it is"
    with OnTerminal(hello, "invoke", NO_COLOR="1") as screen:
        assert screen.ended() == 0
        assert "\x1b" not in screen.text and "FC Invoke End" in screen.text
    assert "\x1b[2mFC Invoke Start RequestId: " in hello.run("invoke", "--color", "always").stderr
    with OnTerminal(hello, "invoke", "--color", "never") as screen:
        assert screen.ended() == 0
        assert "\x1b" not in screen.text


def test_alone_it_leaves_nothing_behind(hello):
    assert event_of(hello.run("invoke", "-e", "x")) == "x"
    assert not list((hello.state / "run").iterdir()) and not hello.endpoint_file.exists()
    assert (hello.state / ".gitignore").exists(), "nothing of it gets into a repository"


@pytest.mark.parametrize("command", ["invoke", "start", "doctor"])
def test_a_folder_for_its_own_files_that_can_not_be_used_is_named(hello, command):
    hello.write({".fclocal": "a file, where a folder should be"})
    done = hello.run(command, *(("--port", "0") if command != "invoke" else ()))
    assert done.returncode == (1 if command == "doctor" else 2)
    assert str(hello.state) in done.stdout + done.stderr and "--state-dir" in done.stdout + done.stderr
    assert "Sorry" not in done.stderr
    assert hello.run("invoke", "--state-dir", "elsewhere", "-e", "x").returncode == 0
