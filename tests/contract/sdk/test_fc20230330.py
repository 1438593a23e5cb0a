"""alibabacloud-fc20230330, unmodified: FC 3's own client (platform.md §1.2, §1.5)."""

from __future__ import annotations

import json
import re

import pytest

fc = pytest.importorskip("alibabacloud_fc20230330.client", reason="the FC 3 SDK is not installed")
models = pytest.importorskip("alibabacloud_fc20230330.models")
openapi = pytest.importorskip("alibabacloud_tea_openapi.models")
from darabonba.exceptions import ResponseException  # noqa: E402
from darabonba.runtime import RuntimeOptions  # noqa: E402

from tests.contract.sdk.sdk_project import BINARY, decoded_tail  # noqa: E402

PATIENT = RuntimeOptions(read_timeout=60_000, connect_timeout=60_000)


def client_of(endpoint: str, **more):
    config = openapi.Config(
        access_key_id="any", access_key_secret="key", endpoint=endpoint, region_id="cn-hangzhou", **more
    )
    return fc.Client(config)


@pytest.fixture(scope="module")
def client(emulator):
    return client_of(f"127.0.0.1:{emulator.port}", protocol="http")


def invoke(client, function="event", body=b"", qualifier=None, **headers):
    request = models.InvokeFunctionRequest(body=body, qualifier=qualifier)
    return client.invoke_function_with_options(function, request, models.InvokeFunctionHeaders(**headers), PATIENT)


def test_a_call_answers_with_the_body_and_the_headers_of_the_contract(client):
    answer = invoke(client, body=b"hello")
    assert (answer.status_code, answer.body.read()) == (200, b"hello")
    head = answer.headers
    assert re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{12}", head["x-fc-request-id"])
    assert re.fullmatch(r"c-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{12}", head["x-fc-instance-id"])
    assert head["x-fc-invocation-duration"].isdigit()
    assert re.fullmatch(r"\d+\.\d\d", head["x-fc-max-memory-usage"])
    assert head["x-fc-code-checksum"].isdigit()
    assert head["x-fc-invocation-service-version"] == head["x-fc-invocation-function-version"] == "LATEST"
    assert head["content-type"] == "application/octet-stream"
    assert "x-fc-instance-id" in head["access-control-expose-headers"]
    assert "x-fc-error-type" not in head
    assert "x-fc-log-result" not in head


@pytest.mark.parametrize("body", [b"", BINARY, BINARY * 4000], ids=["empty", "binary", "a megabyte"])
def test_a_body_comes_back_byte_by_byte(client, body):
    assert invoke(client, body=body).body.read() == body


def test_no_body_at_all(client):
    request = models.InvokeFunctionRequest()
    answer = client.invoke_function_with_options("event", request, models.InvokeFunctionHeaders(), PATIENT)
    assert (answer.status_code, answer.body.read()) == (200, b"")


def test_the_log_tail_ends_with_the_summary(client):
    answer = invoke(client, body=b"log", x_fc_log_type="Tail")
    log, _, summary = decoded_tail(answer.headers["x-fc-log-result"]).rpartition("\n\n")
    request_id = answer.headers["x-fc-request-id"]
    assert log.endswith(f"the last line\nFC Invoke End RequestId: {request_id}")
    assert len(log) < 4096 and log.startswith("x"), "the last 4 KB"
    assert re.fullmatch(
        r"Duration: [\d.]+ ms, Billed Duration: \d+ ms, Memory Size: 256 MB, Max Memory Used: [\d.]+ MB", summary
    )


def test_a_function_error_is_200_with_its_type_and_body(client):
    answer = invoke(client, body=b"fail", x_fc_log_type="Tail")
    assert (answer.status_code, answer.headers["x-fc-error-type"]) == (200, "UnhandledInvocationError")
    error = json.loads(answer.body.read())
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "told to")
    assert "Error: Unhandled function error" in decoded_tail(answer.headers["x-fc-log-result"])


def test_an_asynchronous_call_is_202_with_its_task_and_runs(client, mailbox):
    answer = invoke(client, body=b"later", x_fc_invocation_type="Async", x_fc_async_task_id="task_1")
    assert (answer.status_code, answer.body.read()) == (202, b"")
    assert answer.headers["x-fc-async-task-id"] == "task_1"
    assert "content-type" not in answer.headers
    result = mailbox.read_json()
    assert result["requestContext"]["requestId"] == answer.headers["x-fc-request-id"]
    assert result["responsePayload"] == "later"
    with pytest.raises(ResponseException) as again:
        invoke(client, x_fc_invocation_type="Async", x_fc_async_task_id="task_1")
    assert again.value.status_code == 409


def test_the_qualifier_reaches_the_function(client):
    answer = invoke(client, body=b"context", qualifier="LATEST")
    about = json.loads(answer.body.read())
    assert (about["qualifier"], about["function"]) == ("LATEST", "event")
    assert about["request_id"] == answer.headers["x-fc-request-id"]


@pytest.mark.parametrize(
    ("function", "qualifier", "code", "message"),
    [
        ("missing", None, "FunctionNotFound", "function 'missing' does not exist"),
        ("svc$missing", None, "FunctionNotFound", "function 'missing' does not exist in service 'svc'"),
        ("event", "prod", "AliasNotFound", "alias 'prod' of function 'event' does not exist"),
        ("event", "7", "VersionNotFound", "version '7' of function 'event' does not exist"),
    ],
)
def test_what_is_missing_is_a_404_with_its_code(client, function, qualifier, code, message):
    with pytest.raises(ResponseException) as caught:
        invoke(client, function, qualifier=qualifier)
    error = caught.value
    assert (error.status_code, error.code) == (404, code)
    assert message in error.message
    assert error.data["RequestId"] in error.message


def test_a_function_of_a_service_is_named_by_service_and_function(client):
    about = json.loads(invoke(client, "svc$event", b"context").body.read())
    assert (about["service"], about["function"]) == ("svc", "event")


@pytest.mark.parametrize(("kind", "size"), [("Sync", 32 * 1024 * 1024), ("Async", 128 * 1024)])
def test_a_payload_above_the_limit_is_refused(client, kind, size):
    with pytest.raises(ResponseException) as caught:
        invoke(client, body=b"x" * (size + 1), x_fc_invocation_type=kind)
    assert (caught.value.status_code, caught.value.code) == (400, "EntityTooLarge")
    assert f"payload size exceeds maximum allowed size ({size} bytes)" in caught.value.message


def test_an_unknown_invocation_type_is_refused(client):
    with pytest.raises(ResponseException) as caught:
        invoke(client, x_fc_invocation_type="async")
    assert caught.value.code == "InvalidArgument"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_scheme_in_the_endpoint_works_though_its_host_header_is_bad(emulator, host):
    """The client then sends `host: http://127.0.0.1:PORT` (platform.md §1.1)."""
    client = client_of(f"http://{host}:{emulator.port}", protocol="http")
    assert invoke(client, body=b"hi").body.read() == b"hi"


def test_a_temporary_token_is_accepted(emulator):
    client = client_of(f"127.0.0.1:{emulator.port}", protocol="http", security_token="temporary")
    assert invoke(client, body=b"hi").body.read() == b"hi"


def test_the_older_signature_is_accepted(emulator):
    """`authorization: acs …`; on this way the client itself writes the body as JSON."""
    client = client_of(f"127.0.0.1:{emulator.port}", protocol="http", signature_algorithm="v2")
    assert json.loads(invoke(client, body=b"hi").body.read()) == "hi"
