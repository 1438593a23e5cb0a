"""alibabacloud-fc-open20210406, unmodified: FC 2's newer client (platform.md §1.2, §1.3)."""

from __future__ import annotations

import json
import re

import pytest

fc = pytest.importorskip("alibabacloud_fc_open20210406.client", reason="the FC 2 SDK is not installed")
models = pytest.importorskip("alibabacloud_fc_open20210406.models")
openapi = pytest.importorskip("alibabacloud_tea_openapi.models")
from darabonba.exceptions import ResponseException  # noqa: E402

from tests.contract.sdk.sdk_project import BINARY, decoded_tail  # noqa: E402

options = pytest.importorskip("alibabacloud_tea_util.models")
PATIENT = options.RuntimeOptions(read_timeout=60_000, connect_timeout=60_000)


@pytest.fixture(scope="module")
def client(emulator):
    config = openapi.Config(
        access_key_id="any",
        access_key_secret="key",
        endpoint=f"127.0.0.1:{emulator.port}",
        protocol="http",
        region_id="cn-hangzhou",
    )
    return fc.Client(config)


def invoke(client, function="event", body=b"", service="svc", qualifier=None, **headers):
    request = models.InvokeFunctionRequest(body=body, qualifier=qualifier)
    heads = models.InvokeFunctionHeaders(**headers)
    return client.invoke_function_with_options(service, function, request, heads, PATIENT)


def test_a_call_answers_with_the_body_and_the_headers_of_the_contract(client):
    answer = invoke(client, body=b"hello")
    assert (answer.status_code, answer.body) == (200, b"hello")
    head = answer.headers
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", head["x-fc-request-id"])
    assert head["x-fc-invocation-service-version"] == "LATEST"
    assert head["x-fc-invocation-duration"].isdigit()
    assert head["x-fc-code-checksum"].isdigit()
    assert "x-fc-instance-id" not in head["access-control-expose-headers"], "FC 3's list has it, FC 2's has not"


@pytest.mark.parametrize("body", [b"", BINARY, BINARY * 4000], ids=["empty", "binary", "a megabyte"])
def test_a_body_comes_back_byte_by_byte(client, body):
    assert invoke(client, body=body).body == body


def test_the_log_tail_ends_with_the_summary(client):
    answer = invoke(client, body=b"log", x_fc_log_type="Tail")
    tail = decoded_tail(answer.headers["x-fc-log-result"])
    assert "the last line\n" in tail
    assert tail.splitlines()[-1].startswith("Duration: ")


def test_a_function_error_is_200_with_its_type_and_body(client):
    answer = invoke(client, body=b"fail")
    assert (answer.status_code, answer.headers["x-fc-error-type"]) == (200, "UnhandledInvocationError")
    assert json.loads(answer.body)["errorMessage"] == "told to"


def test_an_error_that_the_function_hands_back_has_its_own_type(client):
    answer = invoke(client, "handled")
    assert (answer.status_code, answer.headers["x-fc-error-type"]) == (200, "HandledInvocationError")
    assert json.loads(answer.body)["errorMessage"] == "handled"


def test_an_asynchronous_call_is_202_with_its_task_and_runs(client, mailbox):
    answer = invoke(
        client,
        body=b"later",
        x_fc_invocation_type="Async",
        x_fc_stateful_async_invocation_id="task_1",
        x_fc_stateful_async_invocation_enable="true",
    )
    assert (answer.status_code, answer.body) == (202, b"")
    assert answer.headers["x-fc-stateful-async-invocation-id"] == "task_1"
    result = mailbox.read_json()
    assert result["requestContext"]["requestId"] == answer.headers["x-fc-request-id"]
    assert result["responsePayload"] == "later"


def test_the_qualifier_reaches_the_function(client):
    about = json.loads(invoke(client, body=b"context", qualifier="LATEST").body)
    assert (about["qualifier"], about["service"], about["function"]) == ("LATEST", "svc", "event")


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
    with pytest.raises(ResponseException) as caught:
        invoke(client, function, service=service, qualifier=qualifier)
    assert (caught.value.status_code, caught.value.code) == (404, code)
    assert message in caught.value.message


@pytest.mark.parametrize(("kind", "size"), [("Sync", 32 * 1024 * 1024), ("Async", 128 * 1024)])
def test_a_payload_above_the_limit_is_refused(client, kind, size):
    with pytest.raises(ResponseException) as caught:
        invoke(client, body=b"x" * (size + 1), x_fc_invocation_type=kind)
    assert (caught.value.status_code, caught.value.code) == (400, "EntityTooLarge")


@pytest.mark.filterwarnings("ignore:Call to deprecated function:DeprecationWarning")
@pytest.mark.parametrize("signed", [False, True], ids=["anonymous", "signed"])
def test_its_helpers_call_http_functions(emulator, client, signed):
    call = client.invoke_httptrigger if signed else client.invoke_anonymous_httptrigger
    url = f"http://127.0.0.1:{emulator.port}/2016-08-15/proxy/svc/web/a%20b?k=v"
    answer = call(url, "POST", BINARY, {"X-Custom": "mine"})
    about = answer.json()
    assert (answer.status_code, answer.headers["x-own"]) == (201, "mine")
    assert (about["method"], about["path"], about["query"], about["custom"]) == ("POST", "/a b", "k=v", "mine")
    assert bytes.fromhex(about["body"]) == BINARY
    assert about["request_id"] == answer.headers["x-fc-request-id"]
