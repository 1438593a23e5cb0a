"""With `verify_signatures` the official clients get in with the local key, and with no other."""

from __future__ import annotations

import pytest

from tests.contract.sdk.sdk_project import files
from tests.support.command import Workshop

fc3 = pytest.importorskip("alibabacloud_fc20230330.client", reason="the FC 3 SDK is not installed")
models = pytest.importorskip("alibabacloud_fc20230330.models")
openapi = pytest.importorskip("alibabacloud_tea_openapi.models")
fc2 = pytest.importorskip("fc2", reason="the aliyun-fc2 client is not installed")
from darabonba.exceptions import ResponseException  # noqa: E402
from darabonba.runtime import RuntimeOptions  # noqa: E402

KEY, SECRET = "my-local-key", "my-local-secret"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory, mailbox):
    workshop = Workshop(tmp_path_factory.mktemp("sdk"))
    written = files(mailbox.port)
    workshop.write({**written, "s.yaml": written["s.yaml"].replace("authType: anonymous", "authType: function")})
    keys = {"ALIBABA_CLOUD_ACCESS_KEY_ID": KEY, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET}
    with workshop.started("--verify-signatures", env=keys) as running:
        yield running


def invoke(emulator, key, secret, **more):
    config = openapi.Config(
        access_key_id=key, access_key_secret=secret, endpoint=f"127.0.0.1:{emulator.port}", protocol="http",
        region_id="cn-hangzhou", **more,
    )  # fmt: skip
    request = models.InvokeFunctionRequest(body=b"hi", qualifier="LATEST")
    patient = RuntimeOptions(read_timeout=60_000, connect_timeout=60_000)
    headers = models.InvokeFunctionHeaders(x_fc_log_type="Tail")
    return fc3.Client(config).invoke_function_with_options("event", request, headers, patient)


def old_client(emulator, key, secret):
    return fc2.Client(endpoint=f"http://127.0.0.1:{emulator.port}", accessKeyID=key, accessKeySecret=secret, Timeout=60)


@pytest.mark.parametrize("more", [{}, {"security_token": "t"}, {"signature_algorithm": "v2"}], ids=["ak", "sts", "v2"])
def test_fc3_with_the_right_key(emulator, more):
    assert invoke(emulator, KEY, SECRET, **more).status_code == 200


@pytest.mark.parametrize(
    ("key", "secret", "code"), [("other", SECRET, "InvalidAccessKeyID"), (KEY, "other", "SignatureNotMatch")]
)
@pytest.mark.parametrize("more", [{}, {"signature_algorithm": "v2"}], ids=["acs3", "v2"])
def test_fc3_with_a_wrong_key(emulator, key, secret, code, more):
    with pytest.raises(ResponseException) as caught:
        invoke(emulator, key, secret, **more)
    assert (caught.value.status_code, caught.value.code) == (403, code)


def test_fc2_with_the_right_key(emulator):
    client = old_client(emulator, KEY, SECRET)
    assert client.invoke_function("svc", "event", b"hi", {"x-fc-log-type": "Tail"}).data == b"hi"
    answer = client.do_http_request("POST", "svc", "web", "/a%20b", {}, {"k": "v w", "many": ["2", "1"]}, b"x")
    assert answer.status_code == 201, answer.text


def test_fc2_with_a_wrong_key(emulator):
    client = old_client(emulator, KEY, "other")
    with pytest.raises(fc2.FcError) as caught:
        client.invoke_function("svc", "event", b"hi")
    assert (caught.value.status_code, caught.value.err_code) == (403, "SignatureNotMatch")
    assert client.do_http_request("GET", "svc", "web", "/").status_code == 403


def test_no_signature(emulator):
    status, body, _ = emulator.call("event", b"hi")
    assert status == 400
    assert "required HTTP header Date was not specified" in body


def test_the_secret_is_in_no_log(emulator):
    assert SECRET not in emulator.out + emulator.err
