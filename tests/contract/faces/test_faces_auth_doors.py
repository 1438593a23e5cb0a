"""Authentication at the doors of a started emulator: triggers, domains, and signed invocations (contract §9)."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import time
from typing import Any

import jwt
import pytest
from alibabacloud_fc_open20210406 import models
from alibabacloud_fc_open20210406.client import Client
from alibabacloud_openapi_util.client import Client as OpenApi
from alibabacloud_tea_openapi.models import Config
from Tea.request import TeaRequest

from tests.contract.faces.faces_client import Answer, ask, visit
from tests.contract.faces.faces_project import SERVER, custom, web_trigger
from tests.contract.faces.faces_project import fc2 as fc2_function
from tests.support.command import Running

SECRET = "a secret of thirty-two characters or more"
BEARER = {"tokens": [{"tokenName": "t", "enable": True, "tokenData": "token-that-is-long-enough-for-function-compute"}]}
JWT = {
    "jwks": {"keys": [{"kty": "oct", "alg": "HS256", "k": base64.urlsafe_b64encode(SECRET.encode()).decode()}]},
    "tokenLookup": "header:Authorization:Bearer,form:token",
    "claimPassBy": "header:sub:X-User,query:uid:uid",
    "whitelist": ["/open/*"],
}


def guarded(name: str, auth_type: str, auth: object = None) -> dict[str, Any]:
    function = custom(name, instanceConcurrency=10)
    config = {"authType": auth_type, **({"authConfig": auth} if auth else {})}
    function["props"]["triggers"] = [web_trigger(**config)]
    return function


def domain(name: str, function: str, auth: dict[str, Any]) -> dict[str, Any]:
    route = {"routes": [{"path": "/*", "functionName": function}]}
    props = {"region": "cn-hangzhou", "domainName": name, "protocol": "HTTP", "routeConfig": route, "authConfig": auth}
    return {"component": "fc3-domain", "props": props}


RESOURCES = {
    "signed": guarded("signed", "function"),
    "jwt": guarded("jwt", "jwt", json.dumps(JWT)),
    "bearer": guarded("bearer", "bearer", BEARER),
    "service": fc2_function("svc", "event"),
    "opened": domain("open.example.com", "bearer", {"authType": "anonymous"}),
    "closed": domain("closed.example.com", "signed", {"authType": "bearer", "authInfo": json.dumps(BEARER)}),
    "same": domain("same.example.com", "bearer", {}),
}
FILES = {"code/server.py": SERVER, "code/index.py": "def handler(event, context):\n    return event\n"}
OPTIONS = ("--verify-signatures",)
KEY_ID, KEY_SECRET = "local-access-key-id", "local-access-key-secret"
GOOD = {"Authorization": f"Bearer {BEARER['tokens'][0]['tokenData']}"}


def token(**claims: Any) -> str:
    return jwt.encode({"exp": time.time() + 600, **claims}, SECRET, "HS256")


def signed_headers(path: str, query: dict[str, str], secret: str = KEY_SECRET, key: str = KEY_ID) -> dict[str, str]:
    """FC's own sample for HTTP triggers."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    request = TeaRequest()
    request.method, request.pathname, request.query = "POST", path, query
    request.headers = {"x-acs-date": now, "x-acs-security-token": ""}
    authorization = OpenApi.get_authorization(request, "ACS3-HMAC-SHA256", "", key, secret)
    return {**request.headers, "authorization": authorization}


def test_a_signed_trigger(emulator: Running) -> None:
    def call(**more: str) -> Answer:
        headers = signed_headers("/hello", {"foo": "bar"}, **more)
        return visit(emulator, "signed", "/hello?foo=bar", method="POST", body=b"hello", headers=headers)

    assert call().json["body"] == "hello"
    assert call(secret="another").error[:2] == (403, "SignatureNotMatch")
    assert call(key="somebody").error == (403, "InvalidAccessKeyID", "invalid access key ID 'somebody'")
    missing = "required HTTP header Date was not specified"
    assert visit(emulator, "signed").error == (400, "MissingRequiredHeader", missing)


def test_a_trigger_with_jwt_passes_claims_on(emulator: Running) -> None:
    assert visit(emulator, "jwt").error == (401, "AccessDenied", "the jwt token is missing")
    expired = {"Authorization": f"Bearer {token(exp=time.time() - 60)}"}
    assert visit(emulator, "jwt", headers=expired).error == (403, "AccessDenied", "invalid or expired jwt")
    good = {"Authorization": f"Bearer {token(sub='me', uid=7)}", "X-User": "root"}
    seen = visit(emulator, "jwt", "/x?uid=0&a=1", headers=good).json
    assert seen["path"] == "/x?a=1&uid=7"
    assert [value for name, value in seen["headers"] if name.lower() == "x-user"] == ["me"]
    assert visit(emulator, "jwt", "/open/x").status == 200, "on the white list"


def test_a_token_in_a_form_leaves_the_form_to_the_function(emulator: Running) -> None:
    body = f"token={token()}&x={'y' * 100_000}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for sent in (body, iter([body[:50], body[50:]])):
        answer = visit(emulator, "jwt", method="POST", body=sent, headers=headers)
        assert answer.status == 200 and answer.json["body"].encode() == body


def test_a_bearer_token_and_websites(emulator: Running) -> None:
    assert visit(emulator, "bearer").error[0] == 401
    assert visit(emulator, "bearer", headers={"Authorization": "Bearer nothing"}).error[0] == 403
    assert visit(emulator, "bearer", headers=GOOD).status == 200
    assert ask(emulator, "GET", "/2016-08-15/proxy/_/bearer/").error[0] == 401


def test_a_domain_has_its_own_door_or_the_triggers(emulator: Running) -> None:
    assert ask(emulator, "GET", "/", host="open.example.com").status == 200
    assert ask(emulator, "GET", "/", host="closed.example.com").error[0] == 401
    assert ask(emulator, "GET", "/", host="closed.example.com", headers=GOOD).status == 200
    assert ask(emulator, "GET", "/", host="same.example.com").error[0] == 401


@pytest.mark.parametrize("secret", [KEY_SECRET, "another"])
def test_the_client_of_2021_signs_invocations(emulator: Running, secret: str) -> None:
    """With `--verify-signatures`; the other two clients are in tests/contract/sdk."""
    config = Config(access_key_id=KEY_ID, access_key_secret=secret, region_id="cn-hangzhou")
    config.endpoint, config.protocol = f"127.0.0.1:{emulator.port}", "http"
    client, request = Client(config), models.InvokeFunctionRequest(body=b"hi")
    if secret == KEY_SECRET:
        assert client.invoke_function("svc", "event", request).body == b"hi"
        return
    with pytest.raises(Exception, match="The request signature we calculated does not match"):
        client.invoke_function("svc", "event", request)


@pytest.mark.parametrize("size", [2, 300_000], ids=["whole", "streamed"])
def test_a_body_that_was_changed_on_its_way_is_refused(emulator: Running, size: int) -> None:
    path, body = "/2021-04-06/services/svc/functions/event/invocations", b"x" * size
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hashlib.sha256(body).hexdigest()
    request = TeaRequest()
    request.method, request.pathname, request.query = "POST", path, {}
    request.headers = {"x-acs-date": now, "x-acs-content-sha256": digest}
    authorization = OpenApi.get_authorization(request, "ACS3-HMAC-SHA256", digest, KEY_ID, KEY_SECRET)
    headers = {**request.headers, "authorization": authorization}

    assert ask(emulator, "POST", path, body, headers=headers).body == body
    changed = b"y" + body[1:]
    assert ask(emulator, "POST", path, changed, headers=headers).error[:2] == (403, "SignatureNotMatch")


def test_the_command_line_is_let_in(emulator: Running) -> None:
    """By the token of endpoint.json, which no function sees."""
    workshop = emulator.workshop
    done = workshop.run("invoke", "svc/event", "-e", "by command")
    assert (done.returncode, done.stdout) == (0, "by command"), done.stderr
    done = workshop.run("invoke", "signed", "--path", "/x")
    seen = json.loads(done.stdout)
    assert done.returncode == 0 and seen["path"] == "/x"
    assert emulator.endpoint["token"] not in done.stdout and "x-fclocal" not in done.stdout.lower()


def test_an_invocation_without_a_signature(emulator: Running) -> None:
    answer = ask(emulator, "POST", "/2023-03-30/functions/signed/invocations", b"x")
    assert answer.error[:2] == (400, "MissingRequiredHeader")


def test_no_secret_is_written_anywhere(emulator: Running) -> None:
    """Runs last: everything above is in the stream of events by now."""
    visit(emulator, "bearer", headers=GOOD)
    said = emulator.out + emulator.err + emulator.workshop.endpoint_file.read_text()
    for secret in (SECRET, KEY_SECRET, GOOD["Authorization"], "Signature="):
        assert secret not in said
