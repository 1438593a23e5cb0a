"""InvokeFunction: what the log tail holds, sizes of bodies, and what FC refuses (runtime-contract.md §5, §6.3)."""

from __future__ import annotations

import base64
import re

import pytest

from tests.contract.faces.faces_client import Answer, ask, invoke
from tests.contract.faces.faces_project import SERVER, custom, fc2, fc3
from tests.support.command import Running

INDEX = """
def handler(event, context):
    if event == b"fail":
        raise ValueError("told to")
    if event.startswith(b"print "):
        for number in range(int(event[6:])):
            print("line %d 字" % number)
        return b"printed"
    return event
"""
RESOURCES = {
    "event": fc3("event"),
    "service-event": fc2("svc", "event"),
    "web": custom("web"),
}
FILES = {"code/index.py": INDEX, "code/server.py": SERVER}

INVOKE = "/2023-03-30/functions/event/invocations"
MB = 1024 * 1024


def tail_of(answer: Answer) -> str:
    return base64.b64decode(answer.headers["x-fc-log-result"], validate=True).decode()


def test_the_log_tail_ends_with_the_summary(emulator: Running) -> None:
    answer = invoke(emulator, "event", b"print 2", x_fc_log_type="Tail")
    request_id = answer.headers["x-fc-request-id"]
    head, _, summary = tail_of(answer).rpartition("\n")
    assert (
        head
        == f"FC Invoke Start RequestId: {request_id}\nline 0 字\nline 1 字\nFC Invoke End RequestId: {request_id}\n"
    )
    pattern = r"Duration: [\d.]+ ms, Billed Duration: \d+ ms, Memory Size: 256 MB, Max Memory Used: [\d.]+ MB"
    assert re.fullmatch(pattern, summary)


def test_a_function_error_is_in_its_tail(emulator: Running) -> None:
    tail = tail_of(invoke(emulator, "event", b"fail", x_fc_log_type="Tail"))
    assert "ValueError" in tail and ", Error: Unhandled function error\n\nDuration: " in tail


@pytest.mark.parametrize("function", ["event", "web"])
def test_a_body_of_32_mb_goes_in_and_out(emulator: Running, function: str) -> None:
    body = bytes(range(256)) * (32 * MB // 256)
    answer = invoke(emulator, function, body)
    assert answer.status == 200 and answer.body.removeprefix(b"got ") == body


def test_a_body_in_chunks_is_the_same_body(emulator: Running) -> None:
    assert invoke(emulator, "event", iter([b"in ", b"three ", b"pieces"])).body == b"in three pieces"
    pieces = [b"x" * 50_000] * 20
    assert invoke(emulator, "event", iter(pieces)).body == b"".join(pieces)


def test_no_body_at_all_is_an_empty_event(emulator: Running) -> None:
    assert ask(emulator, "POST", INVOKE).body == b""


@pytest.mark.parametrize(("kind", "limit"), [("Sync", 32 * MB), ("Async", 128 * 1024)])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_payload_above_the_limit_is_refused(emulator: Running, kind: str, limit: int, chunked: bool) -> None:
    body = b"x" * (limit + 1)
    answer = invoke(emulator, "event", iter([body]) if chunked else body, x_fc_invocation_type=kind)
    message = f"payload size exceeds maximum allowed size ({limit} bytes)"
    assert answer.error == (400, "EntityTooLarge", message)
    assert invoke(emulator, "event", b"still there").body == b"still there"


def test_a_custom_runtime_fails_by_x_fc_status(emulator: Running) -> None:
    answer = invoke(emulator, "web", b"failed")
    assert (answer.status, answer.body) == (200, b"a failure")
    assert answer.headers["x-fc-error-type"] == "UnhandledInvocationError"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/2023-03-30/functions/nobody/invocations", (404, "FunctionNotFound", "function 'nobody' does not exist")),
        (
            "/2023-03-30/functions/event/invocations?qualifier=prod",
            (404, "AliasNotFound", "alias 'prod' of function 'event' does not exist"),
        ),
        (
            "/2023-03-30/functions/event/invocations?qualifier=7",
            (404, "VersionNotFound", "version '7' of function 'event' does not exist"),
        ),
        (
            "/2016-08-15/services/svc/functions/nobody/invocations",
            (404, "FunctionNotFound", "function 'nobody' does not exist in service 'svc'"),
        ),
        (
            "/2016-08-15/services/none/functions/event/invocations",
            (404, "ServiceNotFound", "service 'none' does not exist"),
        ),
        ("/2023-03-30/nothing", (400, "PathNotSupported", "'POST' against '/2023-03-30/nothing' is not supported")),
    ],
)
def test_what_does_not_exist(emulator: Running, path: str, error: tuple[int, str, str]) -> None:
    assert ask(emulator, "POST", path, b"x").error == error


@pytest.mark.parametrize(
    "headers",
    [
        {"x-fc-invocation-type": "async"},
        {"x-fc-invocation-type": "Async", "x-fc-async-delay": "3600"},
        {"x-fc-invocation-type": "Async", "x-fc-async-task-id": "a b"},
    ],
)
def test_headers_that_fc_refuses(emulator: Running, headers: dict[str, str]) -> None:
    assert ask(emulator, "POST", INVOKE, b"x", headers).error[:2] == (400, "InvalidArgument")
