"""aliyun-fc2, unmodified: FC 2's first client. It raises on every reply with an error type (platform.md §1.5)."""

from __future__ import annotations

import json

import pytest

fc2 = pytest.importorskip("fc2", reason="the aliyun-fc2 client is not installed")

from tests.contract.sdk.sdk_project import BINARY, decoded_tail  # noqa: E402


@pytest.fixture(scope="module")
def client(emulator):
    return fc2.Client(
        endpoint=f"http://127.0.0.1:{emulator.port}", accessKeyID="any", accessKeySecret="key", Timeout=60
    )


def test_a_call_answers_with_the_body_and_the_headers_of_the_contract(client):
    answer = client.invoke_function("svc", "event", b"hello")
    assert answer.data == b"hello"
    assert answer.headers["x-fc-request-id"].count("-") == 4, "FC 2's ids are UUIDs"
    assert answer.headers["x-fc-invocation-service-version"] == "LATEST"


@pytest.mark.parametrize("body", [b"", None, BINARY, BINARY * 4000], ids=["empty", "none", "binary", "a megabyte"])
def test_a_body_comes_back_byte_by_byte(client, body):
    assert client.invoke_function("svc", "event", body).data == (body or b"")


def test_the_log_tail_ends_with_the_summary(client):
    answer = client.invoke_function("svc", "event", b"log", {"x-fc-log-type": "Tail"})
    tail = decoded_tail(answer.headers["x-fc-log-result"])
    assert "the last line\n" in tail
    assert tail.splitlines()[-1].startswith("Duration: ")


@pytest.mark.parametrize(
    ("function", "payload", "kind", "message"),
    [
        ("event", b"fail", "UnhandledInvocationError", "told to"),
        ("handled", b"", "HandledInvocationError", "handled"),
    ],
)
def test_a_function_error_is_raised_with_its_body(client, function, payload, kind, message):
    with pytest.raises(fc2.FcError) as caught:
        client.invoke_function("svc", function, payload)
    assert caught.value.status_code == 200
    assert json.loads(caught.value.message)["errorMessage"] == message
    assert caught.value.request_id.count("-") == 4


def test_an_asynchronous_call_is_accepted_and_runs(client, mailbox):
    answer = client.invoke_function(
        "svc",
        "event",
        b"later",
        {"x-fc-invocation-type": "Async", "x-fc-stateful-async-invocation-id": "task_1"},
    )
    assert answer.data == b""
    assert answer.headers["x-fc-stateful-async-invocation-id"] == "task_1"
    result = mailbox.read_json()
    assert result["requestContext"]["requestId"] == answer.headers["x-fc-request-id"]
    assert result["responsePayload"] == "later"


def test_the_qualifier_reaches_the_function(client):
    about = json.loads(client.invoke_function("svc", "event", b"context", qualifier="LATEST").data)
    assert (about["qualifier"], about["service"]) == ("LATEST", "svc")


@pytest.mark.parametrize(
    ("service", "function", "qualifier", "code", "message"),
    [
        ("nowhere", "event", None, "ServiceNotFound", "service 'nowhere' does not exist"),
        ("svc", "missing", None, "FunctionNotFound", "function 'missing' does not exist in service 'svc'"),
        ("svc", "event", "prod", "AliasNotFound", "alias 'prod'"),
        ("svc", "event", "7", "VersionNotFound", "version '7'"),
    ],
)
def test_what_is_missing_is_a_404_with_its_code(client, service, function, qualifier, code, message):
    with pytest.raises(fc2.FcError) as caught:
        client.invoke_function(service, function, b"", qualifier=qualifier)
    assert (caught.value.status_code, caught.value.err_code) == (404, code)
    assert message in json.loads(caught.value.message)["ErrorMessage"]


@pytest.mark.parametrize(("kind", "size"), [("Sync", 32 * 1024 * 1024), ("Async", 128 * 1024)])
def test_a_payload_above_the_limit_is_refused(client, kind, size):
    with pytest.raises(fc2.FcError) as caught:
        client.invoke_function("svc", "event", b"x" * (size + 1), {"x-fc-invocation-type": kind})
    assert (caught.value.status_code, caught.value.err_code) == (400, "EntityTooLarge")


def test_it_calls_http_functions(client):
    answer = client.do_http_request(
        "POST", "svc", "web", "/a%20b", {"x-custom": "mine"}, {"k": "v", "many": ["1", "2"]}, BINARY
    )
    about = answer.json()
    assert (answer.status_code, answer.headers["x-own"]) == (201, "mine")
    assert (about["method"], about["path"], about["query"]) == ("POST", "/a b", "k=v&many=1&many=2")
    assert about["uri"] == "/2016-08-15/proxy/svc/web/a%20b?k=v&many=1&many=2"
    assert about["custom"] == "mine"
    assert bytes.fromhex(about["body"]) == BINARY


def test_an_http_function_with_a_qualifier_in_its_path(client):
    answer = client.do_http_request("GET", "svc.LATEST", "web", "/")
    assert (answer.status_code, answer.json()["path"]) == (201, "/")


def test_an_http_function_that_is_missing(client):
    answer = client.do_http_request("GET", "svc", "missing", "/")
    assert (answer.status_code, answer.json()["ErrorCode"]) == (404, "FunctionNotFound")


def test_a_function_without_http_trigger_has_no_url(client):
    answer = client.do_http_request("GET", "svc", "event", "/")
    assert (answer.status_code, answer.json()["ErrorCode"]) == (404, "TriggerNotFound")
