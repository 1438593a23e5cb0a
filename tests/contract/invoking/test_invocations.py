"""InvokeFunction of every API: the headers of each answer, the log tail, and failures that FC itself words."""

from __future__ import annotations

import base64
import json
import re
import threading
import time

import pytest

from tests.contract.invoking.invoking_project import CUSTOM, PYTHON, SERVER, write_project
from tests.support.mailbox import Mailbox

INDEX = """
import json, os, socket, time

def post(text):
    with socket.create_connection(("127.0.0.1", int(os.environ["MAILBOX"]))) as sock:
        sock.sendall(text if isinstance(text, bytes) else text.encode())

def handler(event, context):
    if event == b"fail":
        raise ValueError("told to")
    if event == b"sleep":
        time.sleep(60)
    if event == b"exit":
        os._exit(3)
    if event == b"log":
        for number in range(500):
            print("line", number, "é" * 20)
    return event

def failing(context):
    raise RuntimeError("no initializer today")

def sleeping(context):
    time.sleep(60)

def meeting(event, context):
    with socket.create_connection(("127.0.0.1", int(os.environ["MAILBOX"]))) as sock:
        sock.sendall(b"here")
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)
    return "served"

tries = 0

def third_time(event, context):
    global tries
    tries += 1
    if tries < 3 or event == b"never":
        raise ValueError("try %d" % tries)
    return "try %d" % tries

def keep(event, context):
    post(event)
"""
FC3 = "/2023-03-30/functions/event/invocations"
APIS = [
    pytest.param(FC3, id="2023-03-30"),
    pytest.param("/2021-04-06/services/svc/functions/old/invocations", id="2021-04-06"),
    pytest.param("/2016-08-15/services/svc/functions/old/invocations", id="2016-08-15"),
]
EXPOSED = (
    "Date,x-fc-request-id,x-fc-error-type,x-fc-code-checksum,x-fc-invocation-duration,x-fc-max-memory-usage,"
    "x-fc-log-result,x-fc-invocation-code-version"
)


@pytest.fixture(scope="module")
def mailbox():
    box = Mailbox()
    yield box
    box.close()


@pytest.fixture(scope="module")
def project(workshop, mailbox):
    post = {"environmentVariables": {"MAILBOX": str(mailbox.port)}}
    to_keeper = {"destination": "acs:fc:cn-hangzhou:123456789:functions/keeper"}

    def hook(handler, timeout):
        return {"instanceLifecycleConfig": {"initializer": {"handler": handler, "timeout": timeout}}}

    functions = {
        "event": {**PYTHON},
        "short": {**PYTHON, "timeout": 1},
        "broken": {**PYTHON, **hook("index.failing", 10)},
        "lingering": {**PYTHON, **hook("index.sleeping", 1)},
        "only": {**PYTHON, **post, "handler": "index.meeting", "concurrencyConfig": {"reservedConcurrency": 1}},
        "reserved": {**PYTHON, "provisionConfig": {"defaultTarget": 2}},
        "none": {**PYTHON, "disableOndemand": True},
        "retried": {
            **PYTHON,
            "handler": "index.third_time",
            "asyncInvokeConfig": {
                "maxAsyncRetryAttempts": 2,
                "destinationConfig": {"onSuccess": to_keeper, "onFailure": to_keeper},
            },
        },
        "keeper": {**PYTHON, **post, "handler": "index.keep"},
        "web": CUSTOM,
    }
    old = {"name": "old", "runtime": "python3", "handler": "index.handler", "codeUri": "./code", "memorySize": 256,
           "timeout": 30}  # fmt: skip
    files = {"index.py": INDEX, "server.py": SERVER}
    write_project(workshop, functions, files, fc2={"old": {"service": {"name": "svc"}, "function": old}})


@pytest.fixture(scope="module")
def call(web):
    def caller(path, body=b"", **headers):
        path = path if path.startswith("/") else f"/2023-03-30/functions/{path}/invocations"
        return web.at("127.0.0.1", "POST", path, body, **headers)

    return caller


@pytest.mark.parametrize("path", APIS)
def test_the_headers_of_an_answer(call, path):
    call(path, b"warm it up")
    answer = call(path, b"x", X_Fc_Invocation_Code_Version="Latest")
    assert (answer.status, answer.body) == (200, b"x")
    fc3 = path == FC3
    request_id = r"1-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{12}" if fc3 else r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}"
    patterns = {
        "content-type": "application/octet-stream",
        "content-length": "1",
        "date": r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT",
        "x-fc-request-id": request_id,
        "x-fc-instance-id": r"c-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{12}",
        "x-fc-invocation-duration": r"\d+",
        "x-fc-max-memory-usage": r"\d+\.\d\d",
        "x-fc-code-checksum": r"\d+",
        "x-fc-invocation-service-version": "LATEST",
        "x-fc-invocation-function-version": "LATEST",
        "access-control-expose-headers": re.escape(EXPOSED + (",x-fc-instance-id" if fc3 else "")),
    }
    assert set(answer.head) == set(patterns), "no header more, and none less"
    for name, pattern in patterns.items():
        assert re.fullmatch(pattern, answer.head[name]), (name, answer.head[name])


@pytest.mark.parametrize("path", APIS)
def test_the_headers_of_an_accepted_call(call, path):
    answer = call(path, b"x", X_Fc_Invocation_Type="Async")
    assert (answer.status, answer.body) == (202, b"")
    name = "x-fc-async-task-id" if path == FC3 else "x-fc-stateful-async-invocation-id"
    assert set(answer.head) == {"date", "content-length", "x-fc-request-id", name}
    assert answer.head[name] == answer.head["x-fc-request-id"], "a task is named by its request unless it has a name"


@pytest.mark.parametrize("path", APIS)
def test_the_log_tail(call, path):
    answer = call(path, b"log", X_Fc_Log_Type="Tail")
    raw = base64.b64decode(answer.head["x-fc-log-result"], validate=True)
    log, _, summary = raw.rpartition(b"\n\n")
    assert len(log) < 4096
    assert log.endswith(f"FC Invoke End RequestId: {answer.head['x-fc-request-id']}".encode())
    assert b"line 499 " in log and b"line 0 " not in log
    assert re.fullmatch(
        rb"Duration: [\d.]+ ms, Billed Duration: \d+ ms, Memory Size: 256 MB, Max Memory Used: [\d.]+ MB", summary
    )
    assert "x-fc-log-result" not in call(path, b"x", X_Fc_Log_Type="None").head


def test_a_program_with_concurrency_has_no_log_tail(call):
    answer = call("web", b"x", X_Fc_Log_Type="Tail")
    assert answer.status == 200
    assert "x-fc-log-result" not in answer.head


def test_a_program_s_status_and_headers_are_lost(call):
    order = {"status": 404, "headers": [["X-Own", "1"]]}
    answer = call("web", json.dumps(order).encode())
    assert (answer.status, answer.head["content-type"]) == (200, "application/octet-stream")
    assert "x-own" not in answer.head and "x-fc-error-type" not in answer.head


def failure(answer, kind="UnhandledInvocationError"):
    assert (answer.status, answer.head["x-fc-error-type"]) == (200, kind), answer
    assert answer.head["content-type"] == "application/json"
    assert answer.head["x-fc-request-id"]
    return answer.json()


@pytest.mark.parametrize("path", APIS)
def test_an_exception(call, path):
    error = failure(call(path, b"fail"))
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "told to")
    assert error["stackTrace"]


def test_a_timeout_has_fc_s_words_and_nothing_else(call):
    error = failure(call("short", b"sleep"))
    assert set(error) == {"errorMessage"}
    assert re.fullmatch(r"Function timed out after 1 seconds \(maxMemoryUsage: \d+MB\)", error["errorMessage"])
    assert call("short", b"again").body == b"again", "another instance serves"


def test_a_process_that_exits_has_fc_s_words_and_nothing_else(call):
    error = failure(call("event", b"exit"))
    assert set(error) == {"errorMessage"}
    assert re.fullmatch(
        r"Process exited unexpectedly before completing request \(duration: \d+ms, maxMemoryUsage: \d+MB\)",
        error["errorMessage"],
    )


def test_an_initializer_that_fails(call):
    for _ in range(2):
        error = failure(call("broken"), "InitializationError")
        assert (error["errorType"], error["errorMessage"]) == ("RuntimeError", "no initializer today")


def test_an_initializer_that_takes_too_long(call):
    error = failure(call("lingering"), "InitializationError")
    assert error["errorMessage"].startswith("Function initialization timed out after 1 seconds")


def test_the_instance_limit_is_a_429(call, emulator, mailbox):
    answers = []
    busy = threading.Thread(target=lambda: answers.append(call("only")))
    busy.start()
    with mailbox.visitor() as visitor:
        refused = call("only")
        assert (refused.status, refused.json()["Code"]) == (429, "ResourceExhausted")
        visitor.let_go()
    busy.join()
    assert (answers[0].status, answers[0].body) == (200, b"served")


def test_without_on_demand_instances_and_without_others_nobody_serves(call):
    answer = call("none")
    assert (answer.status, answer.json()["Code"]) == (429, "ResourceExhausted")


def test_provisioned_instances_are_there_before_the_first_call(call, emulator):
    started = emulator.until_state("idle", 2, "reserved")
    answer = call("reserved", b"x")
    assert answer.head["x-fc-instance-id"] in {event["instance_id"] for event in started}
    starts = emulator.until(lambda e: e["kind"] == "invocation_started" and e["function"] == "reserved")
    assert [start["cold"] for start in starts] == [False]


@pytest.mark.parametrize(
    ("event", "failed", "payload"),
    [(b"soon", "", "try 3"), (b"never", "InvocationError", None)],
    ids=["succeeds in the end", "never succeeds"],
)
def test_an_asynchronous_call_is_retried_and_its_result_sent_on(call, mailbox, event, failed, payload):
    answer = call("retried", event, X_Fc_Invocation_Type="Async")
    result = mailbox.read_json()
    context = result["requestContext"]
    assert context["requestId"] == answer.head["x-fc-request-id"]
    assert context["functionArn"] == "acs:fc:cn-hangzhou:123456789:functions/retried"
    assert (context["condition"], context["approximateInvokeCount"]) == (failed, 3)
    assert result["requestPayload"] == event.decode()
    assert result["responseContext"] == {"statusCode": 200, "functionError": failed}
    if payload is not None:
        assert result["responsePayload"] == payload
    else:
        assert json.loads(result["responsePayload"])["errorType"] == "ValueError"
    assert abs(result["timestamp"] / 1000 - time.time()) < 3600


@pytest.mark.parametrize("delay", ["0", "3600", "soon", "-1"])
def test_a_delay_out_of_bounds_is_refused(call, delay):
    answer = call("event", X_Fc_Invocation_Type="Async", X_Fc_Async_Delay=delay)
    assert (answer.status, answer.json()["Code"]) == (400, "InvalidArgument")
