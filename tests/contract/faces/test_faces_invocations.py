"""InvokeFunction of the three APIs: every header of the contract, log tails, sizes (runtime-contract.md §5, §6.3)."""

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
    "crowd": custom("crowd", instanceConcurrency=10),
    "service-event": fc2("svc", "event"),
    "web": custom("web"),
}
FILES = {"code/index.py": INDEX, "code/server.py": SERVER}

API_PATHS = {
    "2023-03-30": "/2023-03-30/functions/event/invocations",
    "2021-04-06": "/2021-04-06/services/svc/functions/event/invocations",
    "2016-08-15": "/2016-08-15/services/svc.LATEST/functions/event/invocations",
}
REQUEST_ID = {"2023-03-30": r"1-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{12}"}
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
EXPOSED = (
    "Date,x-fc-request-id,x-fc-error-type,x-fc-code-checksum,x-fc-invocation-duration,"
    "x-fc-max-memory-usage,x-fc-log-result,x-fc-invocation-code-version"
)
MB = 1024 * 1024


def tail_of(answer: Answer) -> str:
    return base64.b64decode(answer.headers["x-fc-log-result"], validate=True).decode()


@pytest.mark.parametrize("api", API_PATHS)
def test_every_header_of_a_synchronous_answer(emulator: Running, api: str) -> None:
    answer = ask(emulator, "POST", API_PATHS[api], b"hello")
    headers = answer.headers
    assert (answer.status, answer.body) == (200, b"hello")
    assert headers["content-type"] == "application/octet-stream"
    assert re.fullmatch(REQUEST_ID.get(api, UUID), headers["x-fc-request-id"])
    assert re.fullmatch(r"c-[0-9a-f]{8}-[0-9a-f-]{20,21}", headers["x-fc-instance-id"])
    assert re.fullmatch(r"\d+", headers["x-fc-invocation-duration"])
    assert re.fullmatch(r"\d+\.\d\d", headers["x-fc-max-memory-usage"])
    assert re.fullmatch(r"\d{5,20}", headers["x-fc-code-checksum"])
    assert headers["x-fc-invocation-service-version"] == headers["x-fc-invocation-function-version"] == "LATEST"
    wanted = EXPOSED + (",x-fc-instance-id" if api == "2023-03-30" else "")
    assert headers["access-control-expose-headers"] == wanted
    assert headers["content-length"] == "5" and headers["date"].endswith(" GMT")
    assert not {"x-fc-error-type", "x-fc-log-result", "x-fc-async-task-id", "server"} & answer.names


@pytest.mark.parametrize("api", API_PATHS)
def test_a_function_error_is_told_by_a_header(emulator: Running, api: str) -> None:
    answer = ask(emulator, "POST", API_PATHS[api], b"fail")
    assert (answer.status, answer.headers["x-fc-error-type"]) == (200, "UnhandledInvocationError")
    assert answer.headers["content-type"] == "application/json"
    assert (answer.json["errorMessage"], answer.json["errorType"]) == ("told to", "ValueError")


@pytest.mark.parametrize("api", API_PATHS)
def test_every_header_of_an_asynchronous_answer(emulator: Running, api: str) -> None:
    answer = ask(emulator, "POST", API_PATHS[api], b"hello", {"x-fc-invocation-type": "Async"})
    request_id = answer.headers["x-fc-request-id"]
    task = "x-fc-async-task-id" if api == "2023-03-30" else "x-fc-stateful-async-invocation-id"
    assert (answer.status, answer.body, answer.headers[task]) == (202, b"", request_id)
    assert answer.names == {"x-fc-request-id", task, "content-length", "date"}, "a client would parse by a content type"
    emulator.until(lambda e: e["kind"] == "invocation_ended" and e["request_id"] == request_id)


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


def test_the_log_tail_is_the_last_4_kb(emulator: Running) -> None:
    answer = invoke(emulator, "event", b"print 1000", x_fc_log_type="Tail")
    log, _, summary = tail_of(answer).rpartition("\n\n")
    assert 3000 < len(log.encode()) <= 4096 and "line 999 字\nFC Invoke End" in log and "line 0 " not in log
    assert summary.startswith("Duration: ")


def test_a_function_error_is_in_its_tail(emulator: Running) -> None:
    tail = tail_of(invoke(emulator, "event", b"fail", x_fc_log_type="Tail"))
    assert "ValueError" in tail and ", Error: Unhandled function error\n\nDuration: " in tail


def test_there_is_no_tail_where_requests_share_an_instance(emulator: Running) -> None:
    answer = invoke(emulator, "crowd", b"x", x_fc_log_type="Tail")
    assert answer.body == b"got x" and "x-fc-log-result" not in answer.names


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
    assert ask(emulator, "POST", API_PATHS["2023-03-30"]).body == b""


@pytest.mark.parametrize(("kind", "limit"), [("Sync", 32 * MB), ("Async", 128 * 1024)])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_payload_above_the_limit_is_refused(emulator: Running, kind: str, limit: int, chunked: bool) -> None:
    body = b"x" * (limit + 1)
    answer = invoke(emulator, "event", iter([body]) if chunked else body, x_fc_invocation_type=kind)
    message = f"payload size exceeds maximum allowed size ({limit} bytes)"
    assert answer.error == (400, "EntityTooLarge", message)
    assert invoke(emulator, "event", b"still there").body == b"still there"


def test_a_custom_runtime_loses_its_status_and_headers(emulator: Running) -> None:
    answer = invoke(emulator, "web", b"teapot")
    assert (answer.status, answer.body) == (200, b"short and stout")
    assert answer.headers["content-type"] == "application/octet-stream" and "x-own" not in answer.names
    assert "x-fc-error-type" not in answer.names


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
    assert ask(emulator, "POST", API_PATHS["2023-03-30"], b"x", headers).error[:2] == (400, "InvalidArgument")
